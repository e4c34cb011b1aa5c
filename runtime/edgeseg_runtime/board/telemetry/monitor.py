"""Serves the metrics and the health of a worker over HTTP, in a thread of its own."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socket import SHUT_RDWR, socket
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from edgeseg.errors import BoardError, UsageError
from edgeseg_runtime.board.telemetry.metrics import metric_families, renderer
from edgeseg_runtime.messaging.wire import WorkerStatus

HEALTHY_SECONDS = 5.0
"""A message loop that has not turned for so long is not healthy."""

PUBLISH_SECONDS = 1.0
"""How often a status is worth publishing."""

_REQUEST_SECONDS = 2.0
_MOST_REQUESTS = 8
_ADDRESS = re.compile(r"(?:http://)?(?P<host>[\w.-]+):(?P<port>\d{1,5})/?", re.ASCII)


class Monitor:
    """Answers ``/metrics`` and ``/healthz`` from what the message loop publishes.

    Parameters
    ----------
    address
        ``HOST:PORT`` to listen on; port 0 takes any that is free.
    clock
        Returns seconds, such as ``time.monotonic``.

    Raises
    ------
    UsageError
        If the address is none.
    BoardError
        If it is taken, or not one of this machine.
    EdgesegError
        If prometheus-client is not installed.
    """

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        render = renderer(self)
        self._clock = clock
        self._status: WorkerStatus | None = None
        self._published = clock()

        class Handler(_Handler):
            monitor = self
            metrics = staticmethod(render)

        match = _ADDRESS.fullmatch(address)
        if match is None or int(match["port"]) > 65535:
            raise UsageError(f"{address!r} is no address; write it like 127.0.0.1:9090")
        try:
            self._server = _Server((match["host"], int(match["port"])), Handler)
        except OSError as error:
            raise BoardError(
                f"can't serve metrics at {address} ({(error.strerror or str(error)).lower()}); "
                "choose another address or port"
            ) from None
        # A daemon: it ends with the process, whoever still reads.
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def due(self) -> bool:
        """Whether another status is worth publishing."""
        return self._status is None or self._clock() - self._published > PUBLISH_SECONDS

    @property
    def healthy(self) -> bool:
        """Whether the message loop has published lately."""
        return self._clock() - self._published < HEALTHY_SECONDS

    def publish(self, status: WorkerStatus) -> None:
        """Serve this status from now on; it must not be changed afterwards."""
        self._status, self._published = status, self._clock()

    def collect(self) -> Iterator[Any]:
        """Yield the metrics of the last status, as prometheus-client expects them."""
        if self._status is not None:
            yield from metric_families(self._status)


class _Server(ThreadingMixIn, TCPServer):
    """A thread a request, of which there are few: one too many ends the oldest.

    http.server's own class would ask a name server for the name of this machine.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._mutex = threading.Lock()
        self._open: list[socket] = []
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; whoever drips bytes makes room for who comes."""
        with self._mutex:
            self._open.append(request)
            if len(self._open) > _MOST_REQUESTS:
                # Its thread, which waits for it, closes it.
                with suppress(OSError):
                    self._open.pop(0).shutdown(SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that has its answer."""
        with self._mutex:
            if request in self._open:
                self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """Ignore a reader that broke off."""


class _Handler(BaseHTTPRequestHandler):
    """One request; a slow reader is cut off."""

    monitor: Monitor
    metrics: Callable[[], bytes]
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        """Answer ``/metrics`` and ``/healthz``."""
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, self.metrics())
        elif self.path == "/healthz":
            healthy = self.monitor.healthy
            status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, b"ok\n" if healthy else b"the message loop stands still\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there are /metrics and /healthz\n")

    def log_message(self, *_: object) -> None:
        """Keep requests out of the log."""

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
