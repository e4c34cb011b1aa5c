"""Endpoints of workers: as users write them, and what can be told from them."""

from collections.abc import Mapping
from ipaddress import ip_address

from edgeseg.errors import BoardError, UsageError
from edgeseg_runtime.messaging.addresses import TCP, host_of
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.wire import Peer


def normalize_endpoint(text: str) -> str:
    """Return ``tcp://HOST:PORT`` for an endpoint written with or without the scheme.

    Raises
    ------
    UsageError
        If it is neither a TCP nor an ipc endpoint.
    """
    endpoint = text if "://" in text else f"tcp://{text}"
    if endpoint.startswith("ipc://") and len(endpoint) > len("ipc://"):
        return endpoint
    match = TCP.fullmatch(endpoint)
    if match is None or (match["port"] != "*" and int(match["port"]) > 65535):
        raise UsageError(f"{text!r} is no endpoint; write it like tcp://192.168.1.20:7355")
    return endpoint


def is_local(endpoint: str) -> bool:
    """Tell whether an endpoint can be reached from this machine only."""
    host = host_of(endpoint)
    if host is None:
        return endpoint.startswith("ipc://")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a host name
        return False


def check_peers(peers: Mapping[str, Peer], keys: KeyPair | None) -> None:
    """Make sure that a board can send to its peers.

    Parameters
    ----------
    peers
        The boards that it sends to, by name.
    keys
        Its own key pair, if it has one.

    Raises
    ------
    BoardError
        If a peer has no address, or only one of the two has a key: tensors would be sent in the
        clear.
    """
    for name, peer in peers.items():
        match = TCP.fullmatch(peer.endpoint)
        if not peer.endpoint.startswith("ipc://") and (match is None or match["port"] == "*"):
            raise BoardError(f"{peer.endpoint} is no address to send to; correct that of {name}")
        if (peer.public_key is None) != (keys is None):
            raise BoardError(f"{name} and this board must both run with a key, or both without")
