"""A TCP proxy on this machine that flips a bit now and then, as a bad link or adapter does."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

from typing_extensions import Self

_BLOCK = 2**16


class FlippingProxy:
    """Passes bytes on between clients and one endpoint.

    Parameters
    ----------
    endpoint
        Where what comes in is passed on to.
    every_bytes
        After so many bytes in one direction of a connection a bit is flipped; so many later the
        next.
    """

    def __init__(self, endpoint: str, every_bytes: int) -> None:
        where = urlsplit(endpoint)
        self._target = (where.hostname, where.port)
        self._every_bytes = every_bytes
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.endpoint = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self.flipped = 0

    def __enter__(self) -> Self:
        """Begin to accept connections."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        for link in (self._server, *self._open):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        left = self._every_bytes
        with suppress(OSError):
            while block := bytearray(source.recv(_BLOCK)):
                if left < len(block):
                    block[left] ^= 0x10
                    self.flipped += 1
                    left += self._every_bytes
                left -= len(block)
                target.sendall(block)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
