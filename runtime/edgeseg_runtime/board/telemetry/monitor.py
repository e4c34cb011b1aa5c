"""Figures for Prometheus and a health check, over HTTP in a thread of its own, on request."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any

from edgeseg.errors import BoardError, EdgesegError, UsageError
from edgeseg_runtime.messaging.wire import WorkerStatus

HEALTHY_SECONDS = 5.0
"""A message loop that has not turned for so long is not well."""

_REQUEST_SECONDS = 2.0
_ADDRESS = re.compile(r"(?:http://)?(?P<host>[\w.-]+):(?P<port>\d{1,5})/?", re.ASCII)


class Monitor:
    """Answers ``/metrics`` and ``/healthz`` from what the message loop publishes.

    Parameters
    ----------
    address
        ``HOST:PORT`` to listen on; port 0 takes any that is free.
    clock
        Seconds, such as ``time.monotonic``.

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
        render = _renderer(self)
        self._clock = clock
        self._condition: WorkerStatus | None = None
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
    def healthy(self) -> bool:
        """Whether the message loop has published lately."""
        return self._clock() - self._published < HEALTHY_SECONDS

    def publish(self, condition: WorkerStatus) -> None:
        """Show this from here on; what is published is never changed."""
        self._condition, self._published = condition, self._clock()

    def collect(self) -> Iterator[Any]:
        """Yield the metrics of the last condition, as prometheus-client wants them."""
        if self._condition is not None:
            yield from families(self._condition)


class _Server(TCPServer):
    """Without http.server's own class, which asks a name server for its name."""

    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """Let a reader go who broke off."""


class _Handler(BaseHTTPRequestHandler):
    """One request; nobody may keep the only thread waiting."""

    monitor: Monitor
    metrics: Callable[[], bytes]
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        """Answer the two addresses that there are."""
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, self.metrics())
        elif self.path == "/healthz":
            well = self.monitor.healthy
            status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, b"ok\n" if well else b"the message loop stands still\n")
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


def families(condition: WorkerStatus) -> Iterator[Any]:
    """Yield the metrics of a condition; counters of pieces begin again with each epoch."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("edgeseg_worker", "What runs here.", value=condition.versions)
    for name, help_text, count in _counters(condition):
        yield CounterMetricFamily(f"edgeseg_{name}", help_text, value=count)
    for name, help_text, figure in _gauges(condition):
        yield GaugeMetricFamily(f"edgeseg_{name}", help_text, value=figure)
    runs = CounterMetricFamily("edgeseg_piece_runs", "Runs in this epoch.", labels=["piece"])
    took = CounterMetricFamily("edgeseg_piece_seconds", "Inference alone.", labels=["piece"])
    busy = CounterMetricFamily("edgeseg_piece_busy_seconds", "All of a core.", labels=["piece"])
    for piece, times in condition.pieces.items():
        runs.add_metric([piece], times.runs)
        took.add_metric([piece], times.seconds)
        busy.add_metric([piece], times.busy_seconds)
    yield from (runs, took, busy)


def _counters(condition: WorkerStatus) -> Iterator[tuple[str, str, float]]:
    yield "runs", "Runs of pieces since the start.", condition.runs
    yield "slices", "Slices that went through since the start.", condition.slices
    yield "sent_bytes", "Bytes sent since the start.", condition.sent_bytes
    yield "received_bytes", "Bytes received since the start.", condition.received_bytes
    yield "refusals", "Messages and orders refused since the start.", condition.refusals


def _gauges(condition: WorkerStatus) -> Iterator[tuple[str, str, float]]:
    yield "uptime_seconds", "Time since the start.", condition.uptime_seconds
    yield "serving", "1 while a coordinator is served.", condition.session_seconds is not None
    yield "slices_held", "Slices waiting or at work.", condition.slices_held
    yield "memory_bytes", "Resident memory now.", condition.memory_bytes
    yield "memory_peak_bytes", "Most resident memory ever.", condition.peak_memory_bytes
    yield "memory_limit_bytes", "What the process may take.", condition.memory_limit_bytes
    if condition.temperature is not None:
        yield "temperature_celsius", "The hottest reading.", condition.temperature


def _renderer(monitor: Monitor) -> Callable[[], bytes]:
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError:
        raise EdgesegError(
            "metrics need prometheus-client; run: pip install 'edgeseg[metrics]'"
        ) from None
    registry = CollectorRegistry(auto_describe=False)
    registry.register(monitor)
    return lambda: generate_latest(registry)
