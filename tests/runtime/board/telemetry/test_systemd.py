"""What systemd is told, over a real datagram socket."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Workers, output_of

from edgeseg_runtime.board.telemetry.systemd import Watchdog, notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield bound


def test_a_worker_tells_when_it_is_ready_alive_and_stopping(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, workers: Workers
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    worker = workers.start()
    assert manager.recv(100) == b"READY=1"
    assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    worker.process.terminate()
    assert output_of(worker.process).code == 0
    manager.setblocking(False)
    state = b""
    while state != b"STOPPING=1":
        state = manager.recv(100)


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"edgeseg-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(f"\0{name}")
        bound.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify("READY=1")
        assert bound.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_or_does_not_listen_harms_nothing(
    tmp_path: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.monotonic()
    for _ in range(2000):  # more than any queue of datagrams holds
        notify("WATCHDOG=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")
    assert time.monotonic() - start < 10


def test_the_watchdog_is_fed_only_by_the_process_it_watches(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    Watchdog().beat()
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notify("between")
    Watchdog().beat()
    assert [manager.recv(100) for _ in range(2)] == [b"between", b"WATCHDOG=1"]


def test_it_is_fed_no_more_often_than_it_asks(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    watchdog = Watchdog()
    for _ in range(100):
        watchdog.beat()
    notify("end")
    assert [manager.recv(100) for _ in range(2)] == [b"WATCHDOG=1", b"end"]
