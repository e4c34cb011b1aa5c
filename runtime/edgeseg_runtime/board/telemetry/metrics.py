"""The figures of a worker as metrics for Prometheus."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from edgeseg.errors import EdgesegError
from edgeseg_runtime.messaging.wire import WorkerStatus


class Collector(Protocol):
    """What prometheus-client asks for metrics."""

    def collect(self) -> Iterator[Any]:
        """Yield the metrics of this moment."""


def renderer(collector: Collector) -> Callable[[], bytes]:
    """Return what writes the metrics of a collector in Prometheus' text format.

    Raises
    ------
    EdgesegError
        If prometheus-client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError:
        raise EdgesegError(
            "metrics need prometheus-client; run: pip install 'edgeseg[metrics]'"
        ) from None
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return lambda: generate_latest(registry)


def metric_families(status: WorkerStatus) -> Iterator[Any]:
    """Yield the metrics of a status; counters of pieces begin again with each epoch."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("edgeseg_worker", "What runs here.", value=status.versions)
    for name, help_text, count in _counters(status):
        yield CounterMetricFamily(f"edgeseg_{name}", help_text, value=count)
    for name, help_text, figure in _gauges(status):
        yield GaugeMetricFamily(f"edgeseg_{name}", help_text, value=figure)
    runs = CounterMetricFamily("edgeseg_piece_runs", "Runs in this epoch.", labels=["piece"])
    took = CounterMetricFamily("edgeseg_piece_seconds", "Inference alone.", labels=["piece"])
    busy = CounterMetricFamily("edgeseg_piece_busy_seconds", "All of a core.", labels=["piece"])
    for piece, times in status.pieces.items():
        runs.add_metric([piece], times.runs)
        took.add_metric([piece], times.seconds)
        busy.add_metric([piece], times.busy_seconds)
    yield from (runs, took, busy)


def _counters(status: WorkerStatus) -> Iterator[tuple[str, str, float]]:
    yield "runs", "Runs of pieces since the start.", status.runs
    yield "slices", "Slices that went through since the start.", status.slices
    yield "sent_bytes", "Bytes sent since the start.", status.sent_bytes
    yield "received_bytes", "Bytes received since the start.", status.received_bytes
    yield "refusals", "Messages and orders refused since the start.", status.refusals


def _gauges(status: WorkerStatus) -> Iterator[tuple[str, str, float]]:
    yield "uptime_seconds", "Time since the start.", status.uptime_seconds
    yield "serving", "1 while a coordinator is served.", status.session_seconds is not None
    yield "slices_held", "Slices waiting or at work.", status.slices_held
    yield "memory_bytes", "Resident memory now.", status.memory_bytes
    yield "memory_peak_bytes", "Most resident memory ever.", status.peak_memory_bytes
    yield "memory_limit_bytes", "What the process may take.", status.memory_limit_bytes
    if status.temperature is not None:
        yield "temperature_celsius", "The hottest reading.", status.temperature
