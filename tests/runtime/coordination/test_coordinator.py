"""The coordinator carries out any placement, and says which board fails it."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from processes import Workers
from talking import Sockets
from uncut import uncut_probabilities

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import BoardError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.coordination.backlog import Backlog, PendingSlice, Result
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.messaging.wire import HELD_SECONDS, Hello

_GEOMETRY = SliceGeometry(1024, 1024)
"""Too many pixels to be decoded on a board: probabilities come back."""


@pytest.fixture(scope="module")
def images() -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(9).integers(0, 256, (8, 64, 64), np.uint8))


@pytest.fixture(scope="module")
def expected(uncut_bundle: Path, images: list[NDArray[np.uint8]]) -> list[Any]:
    return uncut_probabilities(uncut_bundle, images)


def _stream(images: list[NDArray[np.uint8]]) -> list[PendingSlice]:
    return [PendingSlice(index, _GEOMETRY, grey) for index, grey in enumerate(images)]


def _lane(bundle: Bundle, boards: str, window: int = 3) -> Lane:
    """One letter a piece: the board that runs it."""
    names = [piece.name for piece in bundle.manifest.pieces]
    return Lane(dict(zip(names, boards, strict=True)), window)


@pytest.mark.parametrize(
    "lanes",
    [
        ["aaaa"],
        ["abba"],  # folded: the skip stays on board a
        ["abab"],
        ["abcd"],
        ["dcba"],
        ["aabb", "bbaa"],  # each board is in both lanes
        ["aaaa", "bcda"],
    ],
)
def test_any_placement_gives_the_same_bits(
    workers: Workers,
    tiny_bundle: Path,
    images: list[NDArray[np.uint8]],
    expected: list[Any],
    lanes: list[str],
) -> None:
    bundle = Bundle(tiny_bundle)
    boards = sorted(set("".join(lanes)))
    entries = [BoardEntry(name, workers.start().endpoint) for name in boards]
    coordinator = Coordinator(bundle, entries)
    try:
        coordinator.deploy(Placement(tuple(_lane(bundle, lane) for lane in lanes), {}))
        results = list(coordinator.stream(_stream(images)))
        pongs = coordinator.pongs()
    finally:
        coordinator.close()
    assert sorted(result.index for result in results) == list(range(len(images)))
    for result in results:
        assert result.kind == "probabilities"
        np.testing.assert_array_equal(result.array, expected[result.index])
    runs = sum(times.runs for pong in pongs.values() for times in pong.piece_times.values())
    assert runs == len(images) * len(bundle.manifest.pieces)


@pytest.mark.parametrize("sizes", [(4,), (2, 2), (1, 1, 1, 1)])
def test_any_shifts_give_the_same_bits(
    workers: Workers,
    tiny_bundle: Path,
    images: list[NDArray[np.uint8]],
    expected: list[Any],
    sizes: tuple[int, ...],
) -> None:
    """One that holds all pieces is for boards without room for a second slice's tensors."""
    bundle = Bundle(tiny_bundle)
    names = iter([piece.name for piece in bundle.manifest.pieces])
    shifts = tuple(tuple(next(names) for _ in range(size)) for size in sizes)
    coordinator = Coordinator(bundle, [BoardEntry("a", workers.start().endpoint)])
    try:
        lane = replace(_lane(bundle, "aaaa"), shifts=shifts)
        coordinator.deploy(Placement((lane,), {}))
        results = list(coordinator.stream(_stream(images)))
    finally:
        coordinator.close()
    assert sorted(result.index for result in results) == list(range(len(images)))
    for result in results:
        np.testing.assert_array_equal(result.array, expected[result.index])


def test_the_next_slice_is_on_its_way_before_a_mask_is_dealt_with(
    workers: Workers, tiny_bundle: Path, images: list[NDArray[np.uint8]]
) -> None:
    bundle = Bundle(tiny_bundle)
    coordinator = Coordinator(bundle, [BoardEntry("a", workers.start().endpoint)])
    backlog = Backlog(_stream(images[:2]))
    backlog.restart([1])
    try:
        coordinator.deploy(Placement((_lane(bundle, "aaaa", window=1),), {}))
        results = _results(coordinator, backlog)
        assert next(results).index == 0
        assert backlog.in_flight(1) is not None
        assert [result.index for result in results] == [1]
    finally:
        coordinator.close()


def _results(coordinator: Coordinator, backlog: Backlog) -> Iterator[Result]:
    while not backlog.done:
        coordinator.admit(backlog)
        yield from coordinator.collect(backlog)


def test_a_new_placement_takes_the_place_of_the_old(
    workers: Workers, tiny_bundle: Path, images: list[NDArray[np.uint8]], expected: list[Any]
) -> None:
    bundle = Bundle(tiny_bundle)
    entries = [BoardEntry(name, workers.start().endpoint) for name in "ab"]
    coordinator = Coordinator(bundle, entries)
    try:
        for boards in ("aaaa", "abba", "bbbb"):
            coordinator.deploy(Placement((_lane(bundle, boards),), {}))
            for result in coordinator.stream(_stream(images[:2])):
                np.testing.assert_array_equal(result.array, expected[result.index])
    finally:
        coordinator.close()


def test_workers_wait_for_a_plan(
    workers: Workers, tiny_bundle: Path, images: list[NDArray[np.uint8]], expected: list[Any]
) -> None:
    """Between the first word and the placement they may have forgotten the coordinator."""
    bundle = Bundle(tiny_bundle)
    coordinator = Coordinator(bundle, [BoardEntry("a", workers.start().endpoint)])
    try:
        time.sleep(HELD_SECONDS + 1)
        coordinator.deploy(Placement((_lane(bundle, "aaaa"),), {}))
        (result,) = coordinator.stream(_stream(images[:1]))
    finally:
        coordinator.close()
    np.testing.assert_array_equal(result.array, expected[0])


def test_a_board_that_vanishes_ends_the_stream(
    workers: Workers, tiny_bundle: Path, images: list[NDArray[np.uint8]]
) -> None:
    bundle = Bundle(tiny_bundle)
    started = {name: workers.start() for name in "ab"}
    entries = [BoardEntry(name, worker.endpoint) for name, worker in started.items()]
    coordinator = Coordinator(bundle, entries)
    try:
        coordinator.deploy(Placement((_lane(bundle, "aabb"),), {}))
        stream = coordinator.stream(_stream(images * 10_000))
        next(stream)
        started["b"].process.kill()
        start = time.monotonic()
        with pytest.raises(BoardError, match=r"^b: its connection"):
            list(stream)
        assert time.monotonic() - start < 5
    finally:
        coordinator.close()


def test_a_worker_refuses_what_breaks_its_limit(
    workers: Workers, base_memory: int, tiny_bundle: Path
) -> None:
    """Even a placement that counts wrong does not make a board exceed its memory."""
    bundle = Bundle(tiny_bundle)
    worker = workers.start(limit=base_memory + 12 * 2**20)
    coordinator = Coordinator(bundle, [BoardEntry("a", worker.endpoint)])
    try:
        with pytest.raises(BoardError, match=r"^a: .* needs .* MiB, .* MiB of .* MiB are free"):
            coordinator.deploy(Placement((_lane(bundle, "aaaa", window=100),), {}))
    finally:
        coordinator.close()


def test_somebody_who_only_listens_is_no_worker(sockets: Sockets, tiny_bundle: Path) -> None:
    listener = sockets.listener()
    start = time.monotonic()
    with pytest.raises(BoardError, match="no worker answers"):
        Coordinator(Bundle(tiny_bundle), [BoardEntry("a", listener.endpoint)])
    assert 4 < time.monotonic() - start < 8
    received = listener.receive()
    assert received is not None
    assert isinstance(received.message, Hello)
