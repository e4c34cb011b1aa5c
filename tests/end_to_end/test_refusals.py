"""``edgeseg segment`` says in one line what went wrong, and leaves nothing half-written."""

import signal
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import psutil
import pytest
from processes import (
    RunningWorker,
    Workers,
    edgeseg,
    edgeseg_process,
    one_line,
    output_of,
    segment,
)
from scans import names, write_ct


def test_an_interrupt_leaves_no_mask_and_no_worker(tiny_bundle: Path, tmp_path: Path) -> None:
    """But what was done is kept."""
    scan = write_ct(tmp_path / "ct.nii", (64, 64, 10_000))
    run = edgeseg_process("segment", tiny_bundle, scan, "-o", tmp_path / "m.nii", "--local", 2)
    try:
        process = psutil.Process(run.pid)
        _wait_until(lambda: len(process.children()) == 2)
        children = process.children()
        _wait_until(lambda: any(child.cpu_times().user > 1 for child in children))
        run.send_signal(signal.SIGINT)
        ended = output_of(run)
    finally:
        run.kill()
    assert ended.code == 130
    assert "Traceback" not in ended.err
    assert not any(child.is_running() for child in children)
    assert names(tmp_path) == {"ct.nii", "m.nii.partial"}


def _wait_until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_board_that_is_not_there_is_said(tiny_bundle: Path, tmp_path: Path) -> None:
    scan = write_ct(tmp_path / "ct.nii")
    words = ("-o", tmp_path / "mask.nii", "--board", "127.0.0.1:9")
    ran = edgeseg("segment", tiny_bundle, scan, *words)
    one_line(ran, 1, "no worker answers at 127.0.0.1:9", "edgeseg worker --listen")
    assert names(tmp_path) == {"ct.nii"}


def test_too_little_memory_on_every_board_is_said(
    workers: Workers, base_memory: int, tiny_bundle: Path, tmp_path: Path
) -> None:
    limit = base_memory + 2 * 2**20
    words = [w for _ in range(2) for w in ("--board", workers.start(limit=limit).endpoint)]
    scan, mask = write_ct(tmp_path / "ct.nii"), tmp_path / "mask.nii"
    ran = edgeseg("segment", tiny_bundle, scan, "-o", mask, *words)
    one_line(ran, 1, "piece_", "needs", "which has", "raise that board's memory limit")
    assert names(tmp_path) == {"ct.nii"}


def test_too_little_memory_for_a_local_worker_is_said(tiny_bundle: Path, tmp_path: Path) -> None:
    scan, mask = write_ct(tmp_path / "ct.nii"), tmp_path / "mask.nii"
    words = ("--local", 1, "--memory-limit", "20MiB")
    ran = edgeseg("segment", tiny_bundle, scan, "-o", mask, *words)
    one_line(ran, 1, "a local worker did not start", "20.0 MiB is less than")


@pytest.mark.parametrize("flag", ["-o", "--report", "--preview", "--statistics"])
def test_a_folder_that_is_missing_is_said_before_any_work(
    tiny_bundle: Path, tmp_path: Path, flag: str
) -> None:
    scan, where = write_ct(tmp_path / "ct.nii"), tmp_path / "none" / "out.nii.gz"
    words = (flag, where) if flag == "-o" else ("-o", tmp_path / "mask.nii.gz", flag, where)
    one_line(edgeseg("segment", tiny_bundle, scan, *words), 1, "create its folder first")
    assert names(tmp_path) == {"ct.nii"}


def test_a_folder_that_is_read_only_is_said(tiny_bundle: Path, tmp_path: Path) -> None:
    """Nobody may create files under ``/proc``, the superuser included."""
    ran = edgeseg(
        "segment", tiny_bundle, write_ct(tmp_path / "ct.nii"), "-o", "/proc/self/mask.nii"
    )
    one_line(ran, 1, "can't write /proc/self/mask.nii")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--local", "1", "--board", "127.0.0.1:1"), "exclude each other"),
        (("--board", "127.0.0.1:1", "--memory-limit", "1GiB"), "a board states its own"),
        (("--board", "nonsense"), "is no endpoint"),
        (("--boards", "none.toml"), "can't read the boards file"),
        (("--local", "1", "--memory-limit", "much"), "is no byte count"),
        (("--local", "0"), "--local"),
        (
            ("--report", "r.json", "--statistics", "r.json"),
            "two results would be written",
        ),
    ],
)
def test_flags_that_make_no_sense_are_wrong_usage(
    tiny_bundle: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    scan = write_ct(tmp_path / "ct.nii")
    one_line(edgeseg("segment", tiny_bundle, scan, "-o", tmp_path / "m.nii", *words), 2, message)
    assert names(tmp_path) == {"ct.nii"}


def test_an_output_that_does_not_fit_the_input_is_wrong_usage(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    scan = write_ct(tmp_path / "ct.nii")
    one_line(edgeseg("segment", tiny_bundle, scan, "-o", tmp_path / "mask.png"), 2, ".nii.gz")
    one_line(edgeseg("segment", tiny_bundle, scan, "-o", scan), 2, "is the input")


def test_a_damaged_bundle_is_said(tiny_bundle: Path, tmp_path: Path, worker: RunningWorker) -> None:
    """A changed byte is noticed even in a piece that the board has cached."""
    scan, mask = write_ct(tmp_path / "ct.nii"), tmp_path / "mask.nii"
    assert segment(tiny_bundle, scan, mask, worker).code == 0
    mask.unlink()
    content = bytearray(tiny_bundle.read_bytes())
    content[content.index(b"pieces/piece_02") + 1000] ^= 1
    damaged = tmp_path / "damaged.edgeseg"
    damaged.write_bytes(content)
    one_line(segment(damaged, scan, mask, worker), 1, "damaged", "convert the model again")
    assert not mask.exists()


def _truncated(path: Path) -> None:
    write_ct(path)
    path.write_bytes(path.read_bytes()[:-2000])


def _of_shape(*shape: int, dtype: Any = np.int16) -> Any:
    def write(path: Path) -> None:
        nib.save(nib.Nifti1Image(np.zeros(shape, dtype), np.eye(4)), path)

    return write


def _nan(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.full((8, 8, 3), np.nan, np.float32), np.eye(4)), path)


def _empty(path: Path) -> None:
    _of_shape(8, 8, 3)(path)
    content = bytearray(path.read_bytes())
    content[42:50] = np.array([8, 8, 0, 1], "<i2").tobytes()
    path.write_bytes(content)


def _singular(path: Path) -> None:
    _of_shape(8, 8, 3)(path)
    content = bytearray(path.read_bytes())
    content[312:328] = bytes(16)  # the sform's last row
    path.write_bytes(content)


_BAD_SCANS: dict[str, tuple[Any, str]] = {
    "missing": (lambda _: None, "does not exist"),
    "no NIfTI": (lambda path: path.write_text("hello"), "is no NIfTI"),
    "no bytes": (lambda path: path.touch(), "NIfTI"),
    "truncated": (_truncated, "truncated or damaged"),
    "2-D": (_of_shape(8, 8), "is 2-D"),
    "RGB": (_of_shape(8, 8, 3, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]), "holds colours"),
    "frames": (_of_shape(8, 8, 3, 2), "has several frames"),
    "NaN": (_nan, "no numbers"),
    "empty": (_empty, "is empty"),
    "singular": (_singular, "singular affine"),
}


@pytest.mark.parametrize("kind", _BAD_SCANS)
def test_a_scan_that_cannot_be_used_is_one_line(
    tiny_bundle: Path, tmp_path: Path, kind: str
) -> None:
    make, message = _BAD_SCANS[kind]
    make(tmp_path / "ct.nii")
    before = names(tmp_path)
    ran = edgeseg(
        "segment", tiny_bundle, tmp_path / "ct.nii", "-o", tmp_path / "m.nii", "--local", 1
    )
    one_line(ran, 1, message)
    assert names(tmp_path) == before
