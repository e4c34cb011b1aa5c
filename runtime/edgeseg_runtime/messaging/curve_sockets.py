"""CURVE on ZeroMQ sockets: who proves which key, and what a failed handshake means."""

import zmq

from edgeseg_runtime.messaging.keys import KeyPair

ZAP_DOMAIN = b"edgeseg"
"""Connections to a socket of this domain must be accepted by an authenticator."""

HANDSHAKE_FAILURES: dict[int, str] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "does not know this machine's key; copy its public key into "
    "the folder of authorized keys there",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "breaks off the handshake; see whether its public_key in "
    "the boards file is the one that edgeseg keygen made there",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "speaks with keys where this machine does not, or the "
    "other way round; its public_key belongs in the boards file if its worker runs with a key",
}
"""What a failed handshake means, by the event of a socket's monitor."""


def require_keys(socket: "zmq.Socket[bytes]", keys: KeyPair) -> None:
    """Let a socket, before it is bound, accept only keys that an authenticator accepts.

    Without an authenticator in the context ZeroMQ turns everybody away.
    """
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def present_keys(socket: "zmq.Socket[bytes]", keys: KeyPair, server_key: str) -> None:
    """Let a socket, before it is connected, prove its own key and demand that of the server."""
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_key.encode())
