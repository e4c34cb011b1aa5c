"""Who may speak to a worker: the keys that pass its handshake (ZAP), and those that may command."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import zmq
from zmq.utils import z85

from edgeseg.errors import UsageError
from edgeseg_runtime.messaging.curve_sockets import ZAP_DOMAIN
from edgeseg_runtime.messaging.keys import (
    PUBLIC,
    KeyPair,
    check_curve,
    key_paths,
    read_authorized,
    read_keys,
)

_ENDPOINT = "inproc://zeromq.zap.01"
_VERSION = b"1.0"
_ACCEPTED, _DENIED = b"200", b"400"
_log = logging.getLogger(__name__)


class OpenAccess:
    """A worker without keys: whoever reaches its socket may send anything."""

    keys: KeyPair | None = None
    """The worker's own."""

    tensor_senders: frozenset[str] = frozenset()
    """Public keys of the boards that send tensors here in this epoch."""

    def may_command(self, _key: str | None) -> bool:
        """Tell whether the owner of a public key may give orders."""
        return True

    def may_send_tensors(self, _key: str | None) -> bool:
        """Tell whether the owner of a public key may send tensors in this epoch."""
        return True


class ZapAuthenticator(OpenAccess):
    """Answers ZeroMQ's requests about keys (ZAP, ZeroMQ RFC 27) in a thread of its own.

    In a thread, since a handshake must not wait for the message loop; it ends with the context.
    The folder is read at every request, so that removing a file revokes its key.

    Parameters
    ----------
    context
        That of the sockets in :data:`ZAP_DOMAIN`; it can have one authenticator.
    keys
        The worker's own.
    authorized
        Folder of public-key files of the machines that may give orders.

    Raises
    ------
    UsageError
        If no machine may, or this ZeroMQ can't encrypt.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, authorized: Path
    ) -> None:
        check_curve()
        if not read_authorized(authorized):
            raise UsageError(
                f"no key may give orders here: {authorized} has no *{PUBLIC} file; copy the "
                "coordinator's public key there (edgeseg keygen makes one)"
            )
        self.keys = keys
        self._authorized = authorized
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        threading.Thread(target=self._serve, name="edgeseg-zap", daemon=True).start()

    def may_command(self, key: str | None) -> bool:
        """Tell whether a public key is among the authorized ones now."""
        return key in read_authorized(self._authorized)

    def may_send_tensors(self, key: str | None) -> bool:
        """Tell whether a public key is that of a board that sends tensors in this epoch."""
        return key in self.tensor_senders

    def _serve(self) -> None:
        with self._socket, suppress(zmq.ContextTerminated):
            while True:
                self._socket.send_multipart(self._answer(self._socket.recv_multipart()))

    def _answer(self, request: Sequence[bytes]) -> list[bytes]:
        """Return the reply to a ZAP request; every frame of the connection will bear the key."""
        _, request_id, domain, address, _, mechanism, *credentials = request
        key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" else ""
        if domain == ZAP_DOMAIN and (self.may_send_tensors(key) or self.may_command(key)):
            return [_VERSION, request_id, _ACCEPTED, b"", key.encode(), b""]
        _log.warning("turned away %s: its key is not known here", address.decode(errors="replace"))
        return [_VERSION, request_id, _DENIED, b"unknown key", b"", b""]


def authenticator_for(
    context: zmq.Context[zmq.Socket[bytes]], key: str | None, authorized: str | None
) -> OpenAccess:
    """Return what decides whom a worker hears: anybody, if it has no key.

    Parameters
    ----------
    context
        That of its listening socket.
    key
        Its secret file, if any.
    authorized
        Folder with the keys of those who may give orders; by default ``authorized`` beside the
        key.

    Raises
    ------
    UsageError
        If the key can't be used, nobody is authorized, or there is no key to authorize for.
    """
    if key is None and authorized is None:
        return OpenAccess()
    key_path, authorized_path = key_paths(key, authorized)
    return ZapAuthenticator(context, read_keys(key_path), authorized_path)
