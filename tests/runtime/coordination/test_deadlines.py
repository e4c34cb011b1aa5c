"""Boards that answer but get nothing done: their slices go elsewhere, and a run has an end."""

import sys
import time
from pathlib import Path

import hanging_worker
import numpy as np
import pytest
from numpy.typing import NDArray
from processes import Workers
from slice_steps import at_slice

from edgeseg_runtime import Segmenter
from edgeseg_runtime.coordination import deadlines
from edgeseg_runtime.coordination.deadlines import FLOOR_SECONDS, Deadlines
from edgeseg_runtime.coordination.fleet import FIRST_REST_SECONDS, Fleet

_SLICES = 40
_COMMAND = (sys.executable, hanging_worker.__file__)


def test_a_deadline_is_generous() -> None:
    deadlines_of_run = Deadlines()
    assert deadlines_of_run.seconds(0.1) == FLOOR_SECONDS
    assert deadlines_of_run.seconds(6.0) == 60.0
    for _ in range(5):
        deadlines_of_run.note_slice(30.0)
    assert deadlines_of_run.seconds(6.0) == 300.0
    deadlines_of_run.note_missed()
    assert deadlines_of_run.seconds(6.0) == 600.0


def test_a_board_that_stalls_rests_and_may_come_back() -> None:
    fleet = Fleet.of("ab").joined("a").joined("b").stalled("a", "it hangs", 100.0)
    assert fleet.absent == {"a": "it hangs"}
    assert fleet.awaited == ()
    assert fleet.rested(100.0 + FIRST_REST_SECONDS).awaited == ("a",)
    again = fleet.rested(120.0).joined("a").stalled("a", "it hangs", 200.0)
    assert again.rested(200.0 + FIRST_REST_SECONDS).awaited == ()


@pytest.mark.worker
@pytest.mark.parametrize("at", [0, 5, _SLICES - 1])
def test_a_board_that_hangs_in_inference_does_not_hold_up_the_run(
    workers: Workers,
    tiny_bundle: Path,
    hounsfield: NDArray[np.int16],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    at: int,
) -> None:
    """From the start, in mid-volume, or over the last slices."""
    monkeypatch.setattr(deadlines, "FLOOR_SECONDS", 2.0)
    flag = tmp_path / "flag"
    monkeypatch.setenv(hanging_worker.FLAG, str(flag))
    scan = np.stack([hounsfield[n % 6] + n for n in range(_SLICES)]).astype(np.int16)
    sound, hanging = workers.start(), workers.start(command=_COMMAND)
    with Segmenter(tiny_bundle, [sound.endpoint]) as segmenter:
        expected = segmenter.segment(scan).mask
    told: list[str] = []
    if at == 0:
        flag.touch()
    with Segmenter(tiny_bundle, [sound.endpoint, hanging.endpoint], tell=told.append) as segmenter:
        start = time.monotonic()
        mask = segmenter.segment(scan, progress=at_slice(at, flag.touch, 0.02)).mask
    assert time.monotonic() - start < 60
    np.testing.assert_array_equal(mask, expected)
    losses = [line for line in told if "was lost" in line]
    if at < _SLICES - 1 or losses:
        assert "it answers, but hangs in a piece for" in losses[0]
        assert "rests for a while" in losses[0]
    hanging.process.kill()
