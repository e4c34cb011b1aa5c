"""A worker measures its cores, says so, and is planned with that."""

import errno
import math
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zstandard
from manifests import chain_manifest
from ports import free_ports
from processes import Workers

from edgeseg.boards.boards_file import UNMEASURED, Board, BoardEntry, CoreSpeed, LinkEntry
from edgeseg.inference.engine import open_engine
from edgeseg.planning.problem.from_pieces import REFERENCE_FLOPS
from edgeseg_runtime.board import core_speed, resources
from edgeseg_runtime.board.config import WorkerConfig
from edgeseg_runtime.board.core_speed import PROBE_FLOPS, measure_core_speed
from edgeseg_runtime.coordination.problem_from_workers import evened, problem_for
from edgeseg_runtime.machine import cpu_share

GIGA = 1e9


def test_a_core_is_timed_in_both_precisions() -> None:
    """Any machine that runs this does between a tenth and a hundred times a Pi 4's core."""
    whole, tenth = measure_core_speed(), measure_core_speed(0.1)
    for precision in ("float32", "int8"):
        rate = getattr(whole, precision)
        assert 0.1 * REFERENCE_FLOPS < rate < 200 * REFERENCE_FLOPS
        # A quarter to four times: other work may disturb either measure.
        assert 0.25 < rate * 0.1 / getattr(tenth, precision) < 4


@pytest.mark.tensorflow
def test_the_probes_are_what_their_script_makes(tmp_path: Path) -> None:
    """Same outputs, and as many FLOPs as the constant says."""
    from edgeseg_converters.reports.inspection import inspect_model

    script = Path(__file__).parents[2] / "support" / "speed_probes.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    assert inspect_model(tmp_path / "probe.keras").flops == PROBE_FLOPS
    folder = Path(core_speed.__file__).parent / "probes"
    for name, scale in (("float32", 1), ("int8", 100)):
        stored, fresh = (
            open_engine(zstandard.decompress((place / f"{name}.tflite.zst").read_bytes()))
            for place in (folder, tmp_path)
        )
        (port,) = stored.inputs
        image = np.random.default_rng(0).uniform(-1, 1, port.shape) * scale
        (one,), (other,) = (engine.run([image.astype(port.dtype)]) for engine in (stored, fresh))
        assert np.ptp(one.astype(float)) > 0
        np.testing.assert_allclose(one, other, atol=1e-6 * scale**3)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, 1e30])
def test_what_is_no_speed_is_not_believed(rate: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode({"float32": rate}), type=CoreSpeed)


def _board(name: str, float32: float | None) -> Board:
    return Board(name, 2**30, core_speed=CoreSpeed(float32))


def test_seconds_are_those_of_the_measured_speed() -> None:
    manifest = chain_manifest([1])
    (piece,) = manifest.pieces
    boards = [_board("a", 50 * GIGA), Board("b", 2**30, speed=2.0)]
    entries = [BoardEntry(name, "tcp://127.0.0.1:1") for name in "ab"]
    problem = problem_for(manifest, boards, entries, LinkEntry())
    flops = max(1, piece.flops)
    assert problem.pieces[0].seconds == pytest.approx(
        (flops / (50 * GIGA), flops / (2 * REFERENCE_FLOPS))
    )


def test_boards_of_about_one_speed_count_as_alike() -> None:
    """Within a quarter of the slowest of them; others keep theirs, and the unmeasured none."""
    boards = [
        _board(name, rate) for name, rate in zip("abcd", (100.0, 60.0, 110.0, None), strict=True)
    ]
    rates = [board.core_speed.float32 for board in evened(boards)]
    assert rates[0] == rates[2] == pytest.approx(math.sqrt(100 * 110))
    assert rates[1] == pytest.approx(60)
    assert rates[3] is None
    assert [board.name for board in evened(boards)] == list("abcd")


@pytest.mark.parametrize(
    ("groups", "files", "share"),
    [
        ("0::/a/b", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 1.5),
        ("0::/a", {"a/cpu.max": "38000 100000"}, 0.38),
        ("0::/", {"cpu.max": "max 100000"}, None),
        (
            "4:cpu,cpuacct:/x",
            {"cpu/x/cpu.cfs_quota_us": "50000", "cpu/x/cpu.cfs_period_us": "100000"},
            0.5,
        ),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("", {}, None),
    ],
)
def test_a_control_groups_share_of_the_cores(
    groups: str, files: dict[str, str], share: float | None, tmp_path: Path
) -> None:
    for name, content in {"proc/self/cgroup": groups}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content)
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert cpu_share(tmp_path) == share


def test_nobody_can_connect_while_a_core_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a slow board that takes seconds, and who connects expects an answer."""
    port = free_ports()
    answers: list[int] = []

    def measured(_share: float) -> CoreSpeed:
        with socket.socket() as probe:
            answers.append(probe.connect_ex(("127.0.0.1", port)))
        return UNMEASURED

    monkeypatch.setattr(resources, "measure_core_speed", measured)
    config = WorkerConfig(
        listen=f"tcp://127.0.0.1:{port}", memory_limit="4GiB", spool=str(tmp_path)
    )
    opened = resources.open_resources(config)
    try:
        assert answers == [errno.ECONNREFUSED]
        with socket.create_connection(("127.0.0.1", port)):
            pass
    finally:
        opened.close()


def test_a_worker_says_how_fast_it_is(workers: Workers, tiny_bundle: Path) -> None:
    from edgeseg.bundle.bundle_file import Bundle
    from edgeseg_runtime.coordination.coordinator import Coordinator

    entry = BoardEntry("a", workers.start().endpoint)
    coordinator = Coordinator(Bundle(tiny_bundle), [entry])
    try:
        (board,) = coordinator.boards
    finally:
        coordinator.close()
    assert board.core_speed != UNMEASURED
