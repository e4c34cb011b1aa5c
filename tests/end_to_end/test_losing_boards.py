"""``edgeseg segment`` when boards, or it itself, end in mid-volume: the mask is the same."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import quota
from processes import (
    RunningWorker,
    Workers,
    edgeseg,
    edgeseg_process,
    one_line,
    output_of,
    segment,
)
from scans import AIR, TILTED, names, write_ct

from edgeseg.text.units import MIB

_SLICES = 1500
_MASK = "mask.nii"
_KEPT = "mask.nii.partial"


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ct(tmp_path_factory.mktemp("scan") / "ct.nii", (64, 64, _SLICES))


@pytest.fixture(scope="module")
def expected(tiny_bundle: Path, scan: Path) -> bytes:
    """The mask of a run in which nothing happens."""
    with Workers() as workers:
        ran = segment(tiny_bundle, scan, scan.with_name(_MASK), workers.start())
    assert ran.code == 0, ran
    return scan.with_name(_MASK).read_bytes()


def _words(started: Sequence[RunningWorker]) -> list[str]:
    return [word for worker in started for word in ("--board", worker.endpoint)]


@contextmanager
def _running(*words: object) -> Iterator["subprocess.Popen[str]"]:
    run = edgeseg_process("segment", *words)
    try:
        yield run
    finally:
        run.kill()
        run.communicate()


def _until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _begun(folder: Path) -> bool:
    """Whether slices are kept: in mid-volume."""
    checkpoint = folder / _KEPT
    return checkpoint.exists() and checkpoint.stat().st_size > 10_000


def test_a_killed_worker_is_one_line_and_the_same_mask(
    workers: Workers, tiny_bundle: Path, tmp_path: Path, scan: Path, expected: bytes
) -> None:
    started = [workers.start() for _ in range(2)]
    words = (tiny_bundle, scan, "-o", tmp_path / _MASK, "--report", tmp_path / "report.json")
    with _running(*words, *_words(started)) as run:
        _until(lambda: _begun(tmp_path))
        started[1].process.kill()
        ended = output_of(run)
    assert ended.code == 0, ended
    assert ended.err == "board board-2 was lost (its connection broke); going on with 1 board\n"
    assert (tmp_path / _MASK).read_bytes() == expected
    assert "boards lost: 1; " in ended.out
    report = json.loads((tmp_path / "report.json").read_text())
    (loss,) = report["losses"]
    assert loss["board"] == "board-2"
    assert loss["recovery_seconds"] < 30
    assert (report["slices"], report["epochs"], report["resumed_slices"]) == (_SLICES, 2, 0)
    assert names(tmp_path) == {_MASK, "report.json"}


@pytest.fixture(scope="module")
def smooth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of blocks of one value: what it becomes between pieces is worth encoding."""
    blocks = np.random.default_rng(3).integers(-200, 400, (4, 4, _SLICES)).astype(np.int16)
    blocks[0] = AIR
    voxels = blocks.repeat(16, axis=0).repeat(16, axis=1)
    path = tmp_path_factory.mktemp("smooth") / "ct.nii"
    nib.save(nib.Nifti1Image(voxels, TILTED), path)
    return path


def test_encoded_tensors_outlive_a_board_and_a_stop(
    workers: Workers, tiny_bundle: Path, tmp_path: Path, smooth: Path
) -> None:
    """For the least memory pieces are spread; what crosses is encoded, until the mask is whole."""
    words = ("--objective", "memory", "--report", tmp_path / "report.json")
    plain = _words([workers.start() for _ in range(2)])
    to = ("-o", tmp_path / "plain.nii", "--wire", "none")
    ran = edgeseg("segment", tiny_bundle, smooth, *to, *words, *plain)
    assert ran.code == 0, ran
    sent = json.loads((tmp_path / "report.json").read_text())["wire_bytes"]

    started = [workers.start() for _ in range(3)]
    again = (tiny_bundle, smooth, "-o", tmp_path / _MASK, "--wire", "lossless", *words)
    with _running(*again, *_words(started)) as run:
        _until(lambda: _begun(tmp_path))
        started[1].process.kill()
        kept = (tmp_path / _KEPT).stat().st_size
        _until(lambda: (tmp_path / _KEPT).stat().st_size > kept + 10_000)
        run.send_signal(signal.SIGINT)
        assert "board board-2 was lost" in output_of(run).err
    resumed = edgeseg("segment", *again, "--resume", *_words([started[0], started[2]]))
    assert resumed.code == 0, resumed
    assert (tmp_path / _MASK).read_bytes() == (tmp_path / "plain.nii").read_bytes()
    report = json.loads((tmp_path / "report.json").read_text())
    assert 0 < report["resumed_slices"] < _SLICES
    per_slice = report["wire_bytes"] / (_SLICES - report["resumed_slices"])
    assert per_slice < 0.7 * sent / _SLICES


def test_a_worker_that_the_kernel_kills_for_want_of_memory_costs_no_slice(
    workers: Workers, tiny_bundle: Path, tmp_path: Path, scan: Path, expected: bytes
) -> None:
    """Another program of its group takes all the memory; the kernel chooses the worker to die."""
    reason = quota.missing()
    if reason is not None:
        pytest.skip(f"memory can't be limited here: {reason}")
    started = [workers.start() for _ in range(2)]
    victim = started[1].process
    words = (tiny_bundle, scan, "-o", tmp_path / _MASK, *_words(started))
    with quota.quota(f"edgeseg-oom-{os.getpid()}", float(os.cpu_count() or 1), 64 * MIB) as groups:
        _first_to_die(victim.pid)
        with _running(*words) as run:
            _until(lambda: _begun(tmp_path))
            for group in groups:
                group.write_text(str(victim.pid))
            _eat_memory(groups)
            assert victim.wait(60) == -signal.SIGKILL
            ended = output_of(run)
    assert ended.code == 0, ended
    assert ended.err == "board board-2 was lost (its connection broke); going on with 1 board\n"
    assert (tmp_path / _MASK).read_bytes() == expected


def _first_to_die(pid: int) -> None:
    Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _eat_memory(groups: Sequence[Path]) -> None:
    """Take more than the group has, in a process of the group."""
    enter = 'for group in "$@"; do echo $$ > "$group"; done; exec '
    eater = shlex.join([sys.executable, "-c", f"bytearray({256 * MIB})"])
    subprocess.run(["/bin/sh", "-c", enter + eater, "sh", *map(str, groups)], check=False)


def test_when_patience_ends_the_rest_is_done_later(
    workers: Workers, tiny_bundle: Path, tmp_path: Path, scan: Path, expected: bytes
) -> None:
    first, second = workers.start(), workers.start()
    words = ("segment", tiny_bundle, scan, "-o", tmp_path / _MASK, "--patience", "1s")
    with _running(*words[1:], *_words([first])) as run:
        _until(lambda: _begun(tmp_path))
        first.process.kill()
        ended = output_of(run)
    assert ended.code == 1
    lost, waiting, error = ended.err.splitlines()
    assert lost == "board board-1 was lost (its connection broke); none is left"
    assert "waiting up to 1 s for board-1" in waiting
    assert error.startswith("edgeseg: board-1: its connection broke")
    assert f"of {_SLICES} slices are kept in {tmp_path / _KEPT}: add --resume" in error
    assert (tmp_path / _KEPT).stat().st_mode & 0o777 == 0o600
    refused = edgeseg(*words, *_words([second]))
    one_line(refused, 2, "slices of a run that stopped", "add --resume")
    resumed = edgeseg(*words, "--resume", *_words([second]))
    assert resumed.code == 0, resumed
    assert "slices were done before" in resumed.out
    assert (tmp_path / _MASK).read_bytes() == expected
    assert names(tmp_path) == {_MASK}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_was_stopped_goes_on(
    workers: Workers,
    tiny_bundle: Path,
    tmp_path: Path,
    scan: Path,
    expected: bytes,
    *,
    number: signal.Signals,
) -> None:
    """Killed, it takes no leave: the worker must find out by itself and take the next."""
    words = (tiny_bundle, scan, "-o", tmp_path / _MASK, *_words([workers.start()]))
    with _running(*words) as run:
        _until(lambda: _begun(tmp_path))
        run.send_signal(number)
        ended = output_of(run)
    if number != signal.SIGKILL:
        assert ended.code == 130
        assert f"slices are kept in {tmp_path / _KEPT}: add --resume" in ended.err
    assert names(tmp_path) == {_KEPT}
    resumed = edgeseg("segment", *words, "--resume")
    assert resumed.code == 0, resumed
    assert (tmp_path / _MASK).read_bytes() == expected
    assert names(tmp_path) == {_MASK}


def test_five_interrupts_are_one(
    tiny_bundle: Path, tmp_path: Path, scan: Path, workers: Workers
) -> None:
    words = _words([workers.start()])
    with _running(tiny_bundle, scan, "-o", tmp_path / _MASK, *words) as run:
        _until(lambda: _begun(tmp_path))
        for _ in range(5):
            run.send_signal(signal.SIGINT)
            time.sleep(0.02)
        ended = output_of(run)
    # The last ones may come when the line is written and Python ends, with its own handler gone.
    assert ended.code in {130, -signal.SIGINT}
    assert "Traceback" not in ended.err
    assert f"slices are kept in {tmp_path / _KEPT}: add --resume" in ended.err


def test_a_checkpoint_of_another_scan_is_refused(
    tiny_bundle: Path, tmp_path: Path, scan: Path, workers: Workers
) -> None:
    words = _words([workers.start()])
    with _running(tiny_bundle, scan, "-o", tmp_path / _MASK, *words) as run:
        _until(lambda: _begun(tmp_path))
        run.send_signal(signal.SIGINT)
        output_of(run)
    other = write_ct(tmp_path / "other.nii", (64, 64, 9))
    ran = edgeseg("segment", tiny_bundle, other, "-o", tmp_path / _MASK, "--resume", *words)
    one_line(ran, 2, "holds slices of another scan or bundle")
    assert names(tmp_path) == {"other.nii", _KEPT}


def test_a_board_that_is_back_is_taken_in(
    workers: Workers, tiny_bundle: Path, tmp_path: Path, scan: Path, expected: bytes
) -> None:
    """The only one, on which all depends."""
    first = workers.start()
    with _running(tiny_bundle, scan, "-o", tmp_path / _MASK, *_words([first])) as run:
        _until(lambda: _begun(tmp_path))
        first.process.kill()
        first.process.wait()
        threading.Timer(1.0, workers.start, ("--listen", first.endpoint)).start()
        ended = output_of(run)
    assert ended.code == 0, ended
    assert (tmp_path / _MASK).read_bytes() == expected


@pytest.mark.parametrize("text", ["soon", "-1", "5 years"])
def test_a_patience_of_no_sense_is_wrong_usage(
    tiny_bundle: Path, tmp_path: Path, scan: Path, text: str
) -> None:
    words = ("-o", tmp_path / _MASK, f"--patience={text}")
    one_line(edgeseg("segment", tiny_bundle, scan, *words), 2, "is no time")
