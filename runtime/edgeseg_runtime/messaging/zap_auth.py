"""The gate of a worker: which public keys get past the handshake, and which may give orders."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import zmq
from zmq.utils import z85

from edgeseg.errors import UsageError
from edgeseg_runtime.messaging.keys import (
    PUBLIC,
    KeyPair,
    check_curve,
    key_places,
    read_authorized,
    read_keys,
)

DOMAIN = b"edgeseg"
"""A socket of this domain is let through by a gate or not at all."""

_ENDPOINT = "inproc://zeromq.zap.01"
_VERSION = b"1.0"
_YES, _NO = b"200", b"400"
_log = logging.getLogger(__name__)


class OpenAccess:
    """No gate: without keys whoever reaches the socket may speak, and nobody is told apart."""

    keys: KeyPair | None = None
    admits: frozenset[str] = frozenset()

    def commands(self, _key: str | None) -> bool:
        """Tell whether somebody may give orders: anybody may."""
        return True

    def sends(self, _key: str | None) -> bool:
        """Tell whether somebody may send tensors: anybody may."""
        return True


class ZapAuthenticator(OpenAccess):
    """Answers ZeroMQ's questions about keys (ZAP, RFC 27) in a thread of its own.

    A thread, since a handshake must not wait for the loop of the worker; it ends with the context.
    The folder is read at every question, so that removing a file revokes its key.

    Parameters
    ----------
    context
        Where sockets of :data:`DOMAIN` listen; one gate a context.
    keys
        This machine's own.
    folder
        Public-key files of the machines that may give orders.

    Raises
    ------
    UsageError
        If nobody may, or CURVE is not there.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, folder: Path
    ) -> None:
        check_curve()
        if not read_authorized(folder):
            raise UsageError(
                f"no key may give orders here: {folder} has no *{PUBLIC} file; copy the "
                "coordinator's public key there (edgeseg keygen makes one)"
            )
        self.keys = keys
        self.admits = frozenset()
        """Keys of the boards that send tensors here in this epoch."""
        self._folder = folder
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        threading.Thread(target=self._serve, name="edgeseg-gate", daemon=True).start()

    def commands(self, key: str | None) -> bool:
        """Tell whether the owner of a key may give orders now."""
        return key in read_authorized(self._folder)

    def sends(self, key: str | None) -> bool:
        """Tell whether the owner of a key is a board that sends tensors here in this epoch."""
        return key in self.admits

    def _serve(self) -> None:
        with self._socket, suppress(zmq.ContextTerminated):
            while True:
                self._socket.send_multipart(self._answer(self._socket.recv_multipart()))

    def _answer(self, question: Sequence[bytes]) -> list[bytes]:
        """Answer; the key becomes the user id that every frame of the connection carries."""
        _, number, domain, address, _, mechanism, *credentials = question
        key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" else ""
        if domain == DOMAIN and (self.sends(key) or self.commands(key)):
            return [_VERSION, number, _YES, b"", key.encode(), b""]
        _log.warning("turned away %s: its key is not known here", address.decode(errors="replace"))
        return [_VERSION, number, _NO, b"unknown key", b"", b""]


def gate_for(
    context: zmq.Context[zmq.Socket[bytes]], key: str | None, authorized: str | None
) -> OpenAccess:
    """Return the gate of a worker: none without a key.

    Parameters
    ----------
    key
        Its secret file.
    authorized
        The folder of those who may give orders; ``authorized`` beside the key if left out.

    Raises
    ------
    UsageError
        If the key can't be used, nobody is authorized, or there is no key to authorize for.
    """
    if key is None and authorized is None:
        return OpenAccess()
    file, folder = key_places(key, authorized)
    return ZapAuthenticator(context, read_keys(file), folder)


REFUSALS: dict[int, str] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "does not know this machine's key; copy its public key into "
    "the folder of authorized keys there",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "breaks off the handshake; see whether its public_key in "
    "the boards file is the one that edgeseg keygen made there",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "speaks with keys where this machine does not, or the "
    "other way round; its public_key belongs in the boards file if its worker runs with a key",
}
"""What a failed handshake means, by the event of a socket's monitor."""


def guard(socket: "zmq.Socket[bytes]", keys: KeyPair) -> None:
    """Let a socket that is to be bound speak with known keys alone.

    Where no gate answers ZeroMQ turns everybody away.
    """
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def unlock(socket: "zmq.Socket[bytes]", keys: KeyPair, server_key: str) -> None:
    """Let a socket that is to be connected prove its own key and demand the other's."""
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_key.encode())
