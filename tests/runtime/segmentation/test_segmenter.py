"""However the pieces are placed, the masks are those of the uncut model, bit by bit."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from limits import MARGIN, limit_for_runs, memory_need
from numpy.typing import NDArray
from processes import Workers
from uncut import uncut_probabilities

from edgeseg.boards.boards_file import Board, BoardEntry
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import BoardError, BundleError, PlacementError, UsageError, VolumeError
from edgeseg.imaging.slices import SliceGeometry, to_model, to_native
from edgeseg_runtime import Segmenter
from edgeseg_runtime.coordination import connections
from edgeseg_runtime.coordination.connections import PING_SECONDS
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.messaging.wire import Pong

_MIB = 2**20


def uncut_masks(bundle: Path, scan: NDArray[Any], spacing: tuple[float, float] | None) -> Any:
    """Segment without sockets, workers or cuts."""
    manifest = Bundle(bundle).manifest
    how, decoding = manifest.preprocessing, manifest.decoding
    geometry = SliceGeometry(*scan.shape[1:], *(spacing or (None, None)))
    greys: Any = [to_model(image, geometry, how, windowed=False) for image in scan]
    outputs = uncut_probabilities(bundle, greys)
    return np.stack([to_native(output, geometry, how, decoding) for output in outputs])


@pytest.fixture(scope="module")
def expected(uncut_bundle: Path, hounsfield: NDArray[np.int16]) -> Any:
    masks = uncut_masks(uncut_bundle, hounsfield, None)
    assert set(np.unique(masks)) == {0, 1, 2, 3}
    return masks


def _masks(bundle: Path, endpoints: Sequence[str], scan: NDArray[Any]) -> tuple[Any, Segmenter]:
    with Segmenter(bundle, endpoints) as segmenter:
        return segmenter.segment(scan).mask, segmenter


def test_one_worker_runs_it_whole(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16], expected: Any
) -> None:
    masks, segmenter = _masks(tiny_bundle, [workers.start().endpoint], hounsfield)
    np.testing.assert_array_equal(masks, expected)
    (lane,) = segmenter.placement.lanes
    assert lane.members == ("board-1",)


def test_two_workers_share_the_slices(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16], expected: Any
) -> None:
    endpoints = [workers.start().endpoint for _ in range(2)]
    with Segmenter(tiny_bundle, endpoints) as segmenter:
        segmentation = segmenter.segment(np.concatenate([hounsfield] * 4))
    np.testing.assert_array_equal(segmentation.mask, np.concatenate([expected] * 4))
    assert [lane.members for lane in segmenter.placement.lanes] == [("board-1",), ("board-2",)]
    runs = [piece.runs for piece in segmentation.report.pieces if piece.name == "piece_00"]
    assert sum(runs) == 24
    assert min(runs) > 0


@pytest.mark.parametrize("count", [2, 3])
def test_workers_too_small_for_all_of_it_are_chained(
    workers: Workers,
    base_memory: int,
    tiny_bundle: Path,
    hounsfield: NDArray[np.int16],
    expected: Any,
    *,
    count: int,
) -> None:
    """Skips cross the cuts from board to board, and no board exceeds its limit."""
    limit = limit_for_runs(Bundle(tiny_bundle).manifest, base_memory, count)
    endpoints = [workers.start(limit=limit).endpoint for _ in range(count)]
    with Segmenter(tiny_bundle, endpoints) as segmenter:
        segmentation = segmenter.segment(hounsfield)
    np.testing.assert_array_equal(segmentation.mask, expected)
    (lane,) = segmenter.placement.lanes
    assert len(lane.members) > 1
    for report in segmentation.report.boards:
        assert report.peak_memory_bytes <= report.memory_limit_bytes


def test_a_folded_lane_gives_the_same_masks(
    workers: Workers,
    base_memory: int,
    tiny_bundle: Path,
    hounsfield: NDArray[np.int16],
    expected: Any,
) -> None:
    """On slow links the skips stay where they are made: pieces before and after on one board.

    Each board has room for any of the small pieces, so that it is the links that decide; the outer
    one has not for all, even if it starts with less memory than others.
    """
    manifest = Bundle(tiny_bundle).manifest
    names = frozenset(piece.name for piece in manifest.pieces)
    inner = frozenset({"piece_01"})
    usual = Board("any", 0, base_memory)
    limits = {
        "outer": memory_need(manifest, usual, names - inner, 2) + 2 * MARGIN,
        "inner": memory_need(manifest, usual, inner, 2) + 3 * MARGIN,
    }
    assert memory_need(manifest, usual, names, 1) > limits["outer"] + MARGIN
    entries = []
    for board, limit in limits.items():
        worker = workers.start(limit=limit)
        entries.append(BoardEntry(board, worker.endpoint, up="10Mbit", down="10Mbit"))
    with Segmenter(tiny_bundle, entries, wire="none") as segmenter:
        segmentation = segmenter.segment(hounsfield)
    np.testing.assert_array_equal(segmentation.mask, expected)
    (lane,) = segmenter.placement.lanes
    assert list(lane.boards.values()) == ["outer", "inner", "outer", "outer"]
    for report in segmentation.report.boards:
        assert report.peak_memory_bytes <= report.memory_limit_bytes
    assert segmentation.report.planned_slices_per_second > 0
    assert segmentation.report.planned_from_estimates


def test_for_the_soonest_slice_there_is_one_at_a_time(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16], expected: Any
) -> None:
    endpoints = [workers.start().endpoint for _ in range(2)]
    with Segmenter(tiny_bundle, endpoints, objective="latency") as segmenter:
        result = segmenter.segment(hounsfield)
        alone = [segmenter.segment(hounsfield[:1]).report.seconds for _ in range(3)]
    np.testing.assert_array_equal(result.mask, expected)
    assert [lane.window for lane in result.report.lanes] == [1]
    assert min(alone) < PING_SECONDS, "nothing may be waited for once the last slice is back"


def test_a_worker_never_loads_the_solver(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16]
) -> None:
    """A board has no memory to spare for what only the coordinator uses."""
    worker = workers.start()
    with Segmenter(tiny_bundle, [worker.endpoint]) as segmenter:
        segmenter.segment(hounsfield)
        maps = Path(f"/proc/{worker.process.pid}/maps").read_text(encoding="utf-8")
    assert "/numpy/" in maps
    assert "/scipy/" not in maps


def test_a_board_without_endpoint_is_wrong_usage(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="pi has no endpoint"):
        Segmenter(tiny_bundle, [BoardEntry("pi", memory="1GiB")]).__enter__()


def test_a_worker_of_several_cores_runs_several_slices_at_once(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16], expected: Any
) -> None:
    masks, segmenter = _masks(tiny_bundle, [workers.start(cores=2).endpoint], hounsfield)
    np.testing.assert_array_equal(masks, expected)
    assert segmenter.placement.lanes[0].window > 1


def test_one_slice_is_a_scan_too(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16], expected: Any
) -> None:
    masks, _ = _masks(tiny_bundle, [workers.start().endpoint], hounsfield[2])
    np.testing.assert_array_equal(masks, expected[2:3])


@pytest.mark.parametrize("shape", [(2, 40, 50), (2, 100, 70), (1, 1, 1), (1, 300, 3)])
def test_slices_of_another_size_come_back_in_their_own(
    workers: Workers, tiny_bundle: Path, uncut_bundle: Path, shape: tuple[int, ...]
) -> None:
    """Decoded on the board where that is fewer bytes, here where it is not."""
    scan = np.random.default_rng(1).integers(-100, 400, shape).astype(np.float32)
    with Segmenter(tiny_bundle, [workers.start().endpoint]) as segmenter:
        masks = segmenter.segment(scan, spacing_mm=(0.8, 1.3)).mask
    np.testing.assert_array_equal(masks, uncut_masks(uncut_bundle, scan, (0.8, 1.3)))


def test_scan_after_scan_on_one_deployment(
    workers: Workers,
    tiny_bundle: Path,
    tmp_path: Path,
    hounsfield: NDArray[np.int16],
    expected: Any,
) -> None:
    """Arrays and files in turn; bad ones harm nothing."""
    stored = np.flip(hounsfield.transpose(2, 1, 0), (0, 1))
    nib.save(nib.Nifti1Image(stored, np.diag([1.0, 1, 1, 1])), tmp_path / "ct.nii.gz")
    with Segmenter(tiny_bundle, [workers.start().endpoint]) as segmenter:
        np.testing.assert_array_equal(segmenter.segment(hounsfield).mask, expected)
        for bad in _bad_arrays():
            with pytest.raises(VolumeError):
                segmenter.segment(bad)
        with pytest.raises(VolumeError, match="does not exist"):
            segmenter.segment(tmp_path / "none.nii")
        for path in (tmp_path / "ct.nii.gz", str(tmp_path / "ct.nii.gz")):
            np.testing.assert_array_equal(segmenter.segment(path).mask, expected)


def test_pieces_stay_loaded_from_slice_to_slice(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16], expected: Any
) -> None:
    """A viewer asks for a slice when somebody looks at it; workers wait longer than that."""
    with Segmenter(tiny_bundle, [workers.start().endpoint]) as segmenter:
        _, plan = segmenter.planned
        for index in range(2):
            mask = segmenter.segment(hounsfield[index]).mask
            np.testing.assert_array_equal(mask, expected[index : index + 1])
            time.sleep(2.5)
        report = segmenter.segment(hounsfield).report
        assert segmenter.planned[1] is plan
    assert (report.epochs, report.losses) == (1, ())
    assert {piece.runs for piece in report.pieces} == {len(hounsfield)}


def test_after_a_longer_silence_pieces_are_placed_anew(
    workers: Workers,
    tiny_bundle: Path,
    hounsfield: NDArray[np.int16],
    expected: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before a worker drops what it holds, its coordinator no longer relies on it."""
    monkeypatch.setattr(connections, "HELD_SECONDS", 3.0)
    with Segmenter(tiny_bundle, [workers.start().endpoint]) as segmenter:
        _, plan = segmenter.planned
        time.sleep(2.0)
        mask = segmenter.segment(hounsfield).mask
        assert segmenter.planned[1] is not plan
    np.testing.assert_array_equal(mask, expected)


def test_a_run_is_timed_to_its_last_mask(
    tiny_bundle: Path, hounsfield: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The boards' own reports are asked for when all masks are back, and do not count."""
    ended: list[float] = []
    pongs = Coordinator.pongs

    def slow_pongs(self: Coordinator) -> dict[str, Pong]:
        ended.append(time.perf_counter())
        time.sleep(0.1)
        return pongs(self)

    with Segmenter(tiny_bundle, local=1) as segmenter:
        monkeypatch.setattr(Coordinator, "pongs", slow_pongs)
        start = time.perf_counter()
        seconds = segmenter.segment(hounsfield).report.seconds
    (end,) = ended
    assert 0 < seconds <= end - start


def _bad_arrays() -> list[NDArray[Any]]:
    hole = np.zeros((2, 8, 8), np.float32)
    hole[1, 3, 3] = np.nan
    return [
        hole,
        np.full((8, 8), np.inf),
        np.zeros(8),
        np.zeros((0, 8, 8)),
        np.zeros((1, 2, 8, 8)),
        np.zeros((2, 8, 8), np.complex64),
        np.full((2, 8, 8), "x"),
    ]


def test_a_coordinator_that_paused_goes_on(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16], expected: Any
) -> None:
    """Between two scans neither side talks; that is no reason to take the other for dead."""
    with Segmenter(tiny_bundle, [workers.start().endpoint for _ in range(2)]) as segmenter:
        segmenter.segment(hounsfield[:1])
        time.sleep(3.5)
        np.testing.assert_array_equal(segmenter.segment(hounsfield).mask, expected)


def test_a_worker_serves_one_bundle_after_the_other(
    workers: Workers,
    tiny_bundle: Path,
    uncut_bundle: Path,
    hounsfield: NDArray[np.int16],
    expected: Any,
) -> None:
    endpoint = workers.start().endpoint
    for bundle in (tiny_bundle, uncut_bundle, tiny_bundle):
        masks, _ = _masks(bundle, [endpoint], hounsfield)
        np.testing.assert_array_equal(masks, expected)


def test_progress_is_told_slice_by_slice(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16]
) -> None:
    steps: list[int] = []
    with Segmenter(tiny_bundle, [workers.start().endpoint]) as segmenter:
        segmenter.segment(hounsfield, progress=lambda: steps.append(1))
    assert len(steps) == len(hounsfield)


def test_too_little_memory_everywhere_is_said_in_numbers(
    workers: Workers, base_memory: int, tiny_bundle: Path
) -> None:
    endpoints = [workers.start(limit=base_memory + 2 * _MIB).endpoint for _ in range(2)]
    with pytest.raises(
        PlacementError, match=r"piece_\d+ needs .* MiB on board-\d, which has .* MiB"
    ):
        Segmenter(tiny_bundle, endpoints).__enter__()


def test_a_board_given_twice_is_said(workers: Workers, tiny_bundle: Path) -> None:
    endpoint = workers.start().endpoint
    with pytest.raises(BoardError, match="give each board once"):
        Segmenter(tiny_bundle, [endpoint, endpoint]).__enter__()


def test_an_address_that_is_none_is_wrong_usage(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="is no endpoint"):
        Segmenter(tiny_bundle, ["nonsense"]).__enter__()


def test_a_bundle_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        Segmenter(tmp_path / "none.edgeseg", local=1)
