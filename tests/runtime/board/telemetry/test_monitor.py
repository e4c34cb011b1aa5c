"""Figures and health over HTTP, asked for as Prometheus and a container's health check do."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from processes import Workers, edgeseg, one_line
from prometheus_client.parser import text_string_to_metric_families
from talking import Sockets, greet

from edgeseg.errors import BoardError, UsageError
from edgeseg_runtime.board.telemetry.monitor import HEALTHY_SECONDS, Monitor
from edgeseg_runtime.messaging.wire import PieceTime, WorkerStatus

pytestmark = pytest.mark.worker

_CONDITION = WorkerStatus(
    versions={"edgeseg": "0.1.0", "engine": "litert 2"},
    uptime_seconds=100.0,
    session_seconds=10.0,
    cores=1,
    memory_bytes=80,
    peak_memory_bytes=90,
    memory_limit_bytes=100,
    pieces={"piece_00": PieceTime(3, 0.25, 0.5)},
    slices_held=2,
    slices=7,
    runs=9,
    sent_bytes=11,
    received_bytes=12,
    refusals=1,
    temperature=51.5,
)


@pytest.fixture
def now() -> list[float]:
    """The clock of a monitor."""
    return [1000.0]


@pytest.fixture
def monitor(now: list[float]) -> Iterator[Monitor]:
    made = Monitor("127.0.0.1:0", lambda: now[0])
    yield made
    made._server.shutdown()
    made._server.server_close()


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _samples(text: str) -> dict[tuple[str, str], float]:
    """Values by name and piece."""
    return {
        (sample.name, sample.labels.get("piece", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_what_is_published_is_served(monitor: Monitor) -> None:
    assert _samples(_get(monitor.port, "/metrics")[1]) == {}
    monitor.publish(_CONDITION)
    status, text = _get(monitor.port, "/metrics")
    assert status == 200
    assert _samples(text) == {
        ("edgeseg_worker_info", ""): 1,
        ("edgeseg_runs_total", ""): 9,
        ("edgeseg_slices_total", ""): 7,
        ("edgeseg_sent_bytes_total", ""): 11,
        ("edgeseg_received_bytes_total", ""): 12,
        ("edgeseg_refusals_total", ""): 1,
        ("edgeseg_uptime_seconds", ""): 100,
        ("edgeseg_serving", ""): 1,
        ("edgeseg_slices_held", ""): 2,
        ("edgeseg_memory_bytes", ""): 80,
        ("edgeseg_memory_peak_bytes", ""): 90,
        ("edgeseg_memory_limit_bytes", ""): 100,
        ("edgeseg_temperature_celsius", ""): 51.5,
        ("edgeseg_piece_runs_total", "piece_00"): 3,
        ("edgeseg_piece_seconds_total", "piece_00"): 0.25,
        ("edgeseg_piece_busy_seconds_total", "piece_00"): 0.5,
    }


def test_health_is_that_of_the_message_loop(monitor: Monitor, now: list[float]) -> None:
    assert _get(monitor.port, "/healthz") == (200, "ok\n")
    now[0] += HEALTHY_SECONDS
    assert _get(monitor.port, "/healthz") == (503, "the message loop stands still\n")
    monitor.publish(_CONDITION)
    assert _get(monitor.port, "/healthz")[0] == 200
    assert _get(monitor.port, "/elsewhere")[0] == 404


def test_a_reader_that_breaks_off_harms_nothing(
    monitor: Monitor, capfd: pytest.CaptureFixture[str]
) -> None:
    for garbage in (b"", b"GET /metrics HTTP/1.1\r\n\r\n", bytes(range(256)) * 300):
        with socket.create_connection(("127.0.0.1", monitor.port)) as raw:
            raw.sendall(garbage)
    assert _get(monitor.port, "/healthz")[0] == 200
    assert capfd.readouterr().err == ""


def test_who_drips_bytes_keeps_nobody_waiting(monitor: Monitor) -> None:
    drips = [socket.create_connection(("127.0.0.1", monitor.port)) for _ in range(20)]
    for drip in drips:
        drip.sendall(b"G")
    start = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{monitor.port}/healthz", timeout=10) as answer:
        assert answer.status == 200
    assert time.monotonic() - start < 8
    for drip in drips:
        drip.close()


def test_an_address_that_is_none_or_taken_is_said(monitor: Monitor) -> None:
    for address in ("9090", "127.0.0.1:99999", "127.0.0.1", "http://a/b:1"):
        with pytest.raises(UsageError, match="write it like"):
            Monitor(address)
    with pytest.raises(BoardError, match="choose another"):
        Monitor(f"127.0.0.1:{monitor.port}")


def test_a_worker_tells_what_it_does(workers: Workers, sockets: Sockets) -> None:
    port = _free_port()
    worker = workers.start("--metrics", f"127.0.0.1:{port}", limit="200MiB")
    assert _get(port, "/healthz") == (200, "ok\n")
    greet(sockets.link(worker.endpoint))
    told = _until(lambda: _samples(_get(port, "/metrics")[1]), "edgeseg_serving", 1)
    assert told["edgeseg_memory_limit_bytes", ""] == 200 * 2**20
    assert told["edgeseg_memory_bytes", ""] > 2**20
    assert told["edgeseg_received_bytes_total", ""] > 0


def test_a_worker_without_them_loads_nothing_that_it_can_do_without() -> None:
    script = (
        "import sys, edgeseg_runtime.board.process\n"
        "print(sorted({'prometheus_client', 'http.server', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert ran.stdout == "[]\n"


def test_without_the_extra_it_is_named() -> None:
    script = (
        "import sys\n"
        "sys.modules['prometheus_client'] = None\n"
        "sys.argv = ['edgeseg', 'worker', '--listen', '127.0.0.1:*', '--metrics', '127.0.0.1:0']\n"
        "import edgeseg.cli.main\n"
        "edgeseg.cli.main.main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, text=True
    )
    assert ran.returncode == 1
    assert "pip install 'edgeseg[metrics]'" in ran.stderr


def test_a_wrong_address_is_wrong_usage() -> None:
    one_line(edgeseg("worker", "--listen", "127.0.0.1:*", "--metrics", "x"), 2, "is no address")


def _until(
    read: Callable[[], dict[tuple[str, str], float]], name: str, value: float
) -> dict[tuple[str, str], float]:
    deadline = time.monotonic() + 20
    told: dict[Any, float] = {}
    while told.get((name, "")) != value:
        assert time.monotonic() < deadline
        told = read()
        time.sleep(0.1)
    return told
