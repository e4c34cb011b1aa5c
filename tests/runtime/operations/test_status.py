"""How workers fare, asked while they serve somebody else."""

import io
import json
import signal
import time
from pathlib import Path

import msgspec
import pytest
from processes import Workers, edgeseg, edgeseg_process, one_line
from rich.console import Console
from scans import write_ct
from talking import Sockets, greet, hear, refusal

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.bundle.bundle_file import Bundle
from edgeseg_runtime.commands.status import _table
from edgeseg_runtime.messaging.keys import make_keys, write_keys
from edgeseg_runtime.messaging.wire import PROTOCOL, Hello, Ping, Pong, StatusRequest, WorkerStatus
from edgeseg_runtime.operations.status import BoardStatus, StatusWatch, speed

_NOWHERE = "tcp://127.0.0.1:9"


def _condition(uptime: float, slices: int) -> WorkerStatus:
    return WorkerStatus(
        versions={"edgeseg": "0.1.0"},
        uptime_seconds=uptime,
        session_seconds=None,
        cores=1,
        memory_bytes=1,
        peak_memory_bytes=1,
        memory_limit_bytes=1,
        pieces={},
        slices_held=0,
        slices=slices,
        runs=slices,
        sent_bytes=0,
        received_bytes=0,
        refusals=0,
        temperature=None,
    )


def test_speed_is_that_between_two_looks() -> None:
    assert speed(None, _condition(10, 5)) is None
    assert speed(_condition(10, 5), _condition(12, 9)) == 2.0
    assert speed(_condition(10, 5), _condition(1, 0)) is None


def test_asking_takes_no_session(workers: Workers, sockets: Sockets) -> None:
    worker = workers.start(limit="300MiB", cores=2)
    asking, serving = sockets.link(worker.endpoint), sockets.link(worker.endpoint)
    asking.send(StatusRequest(PROTOCOL))
    idle = hear(asking, WorkerStatus)
    assert idle.session_seconds is None
    assert (idle.cores, idle.memory_limit_bytes, idle.runs) == (2, 300 * 2**20, 0)
    assert 0 < idle.memory_bytes <= idle.peak_memory_bytes
    greet(serving, "served")
    asking.send(StatusRequest(PROTOCOL))
    busy = hear(asking, WorkerStatus)
    assert busy.session_seconds is not None
    assert busy.uptime_seconds > idle.uptime_seconds
    assert "serves another coordinator" in refusal(asking, Hello("other", PROTOCOL))
    serving.send(Ping("served"))
    hear(serving, Pong)
    assert "install the same edgeseg" in refusal(asking, StatusRequest(PROTOCOL + 1))


def test_totals_outlive_the_session(workers: Workers, tiny_bundle: Path, tmp_path: Path) -> None:
    """Every piece has run on every slice; then the board is idle and holds nothing."""
    worker = workers.start()
    scan = write_ct(tmp_path / "ct.nii", (64, 64, 6))
    words = ("-o", tmp_path / "mask.nii", "--board", worker.endpoint)
    assert edgeseg("segment", tiny_bundle, scan, *words).code == 0
    with StatusWatch([BoardEntry("pi", worker.endpoint)]) as watching:
        (status,) = watching.look()
    report = status.condition
    assert report is not None
    assert report.session_seconds is None
    assert (report.pieces, report.slices_held) == ({}, 0)
    assert report.slices == 6
    assert report.runs == 6 * len(Bundle(tiny_bundle).manifest.pieces)
    assert report.received_bytes > 6 * 64 * 64
    assert report.sent_bytes > 0


def test_a_board_that_is_silent_is_said(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = workers.start()
    monkeypatch.setenv("COLUMNS", "100")
    ran = edgeseg("status", "--board", worker.endpoint, "--board", _NOWHERE)
    assert (ran.code, ran.err) == (1, "")
    assert max(map(len, ran.out.splitlines())) <= 100
    assert "idle" in ran.out
    assert "no answer" in ran.out
    (alone,) = json.loads(edgeseg("status", "--json", "--board", _NOWHERE).out)
    assert (alone["board"], alone["condition"], alone["problem"]) == (_NOWHERE, None, "no answer")


def test_boards_are_named_as_in_their_file(workers: Workers, tmp_path: Path) -> None:
    boards = tmp_path / "boards.toml"
    boards.write_text(f'[[board]]\nname = "pi-4"\nendpoint = "{workers.start().endpoint}"\n')
    ran = edgeseg("status", "--boards", boards, "--json")
    assert (ran.code, ran.err) == (0, "")
    (printed,) = json.loads(ran.out)
    assert printed["board"] == "pi-4"
    assert printed["slices_per_second"] == 0
    assert msgspec.convert(printed["condition"], WorkerStatus).cores == 1
    for words in ((), ("--boards", boards, "--board", _NOWHERE)):
        one_line(edgeseg("status", *words), 2, "either --boards FILE or --board ENDPOINT")


def test_watching_goes_on_until_interrupted(workers: Workers) -> None:
    worker = workers.start()
    process = edgeseg_process("status", "--watch", "--json", "--board", worker.endpoint)
    with process:
        assert process.stdout is not None
        looks = [json.loads(process.stdout.readline())[0] for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    first, second = (look["condition"]["uptime_seconds"] for look in looks)
    assert second > first
    assert looks[1]["slices_per_second"] == 0


def test_a_worker_that_is_restarted_is_seen_again(workers: Workers) -> None:
    worker = workers.start()
    with StatusWatch([BoardEntry("pi", worker.endpoint)]) as watching:
        assert watching.look()[0].condition is not None
        worker.process.kill()
        worker.process.wait(10)
        assert watching.look()[0].problem == "no answer"
        workers.start("--listen", worker.endpoint)
        deadline = time.monotonic() + 20
        while watching.look()[0].condition is None:
            assert time.monotonic() < deadline


def test_only_who_is_known_is_answered(workers: Workers, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("pi", "desk", "stranger")}
    pairs = {name: make_keys() for name in folders}
    for name, folder in folders.items():
        folder.mkdir()
        write_keys(pairs[name], name, folder)
    (folders["pi"] / "authorized").mkdir()
    public = folders["desk"] / "desk.pub"
    (folders["pi"] / "authorized" / "desk.pub").write_bytes(public.read_bytes())
    worker = workers.start("--key", folders["pi"] / "pi.key")
    entry = BoardEntry("pi", worker.endpoint, public_key=pairs["pi"].public)
    with StatusWatch([entry], pairs["desk"]) as watching:
        assert watching.look()[0].condition is not None
    with StatusWatch([entry], pairs["stranger"]) as watching:
        assert "does not know this machine's key" in str(watching.look()[0].problem)


def test_the_table_fits_100_columns_whatever_it_says() -> None:
    busy = msgspec.structs.replace(
        _condition(3e6, 10**7),
        session_seconds=123_456.0,
        memory_bytes=7000 * 2**20,
        peak_memory_bytes=7000 * 2**20,
        memory_limit_bytes=8192 * 2**20,
        temperature=81.2,
    )
    statuses = [
        BoardStatus("the-board-in-the-second-room", _NOWHERE, busy, slices_per_second=12345.6),
        BoardStatus("b", _NOWHERE, problem="does not know this machine's key; " * 5),
    ]
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(_table(statuses))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 100
    for words in ("7000/7000/8192", "12345.6", "1 d 10 h", "34 d 17 h", "81", "serving"):
        assert words in text
