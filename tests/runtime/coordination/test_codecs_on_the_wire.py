"""Tensors pass encoded between boards: bit by bit the same, near enough, or refused with a name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manifests import chain_manifest
from numpy.typing import NDArray
from processes import Workers
from uncut import uncut_probabilities

from edgeseg.boards.boards_file import Board, BoardEntry
from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.codecs.names import CODECS, CodecName
from edgeseg.errors import PlacementError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg.planning.encoded_plan import crossing_tensors, plan_encoded
from edgeseg.planning.problem.from_pieces import problem_of
from edgeseg_runtime import Segmenter
from edgeseg_runtime.coordination.backlog import PendingSlice
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.messaging.wire import Pong

_GEOMETRY = SliceGeometry(1024, 1024)
"""Too many pixels to be decoded on a board: probabilities come back."""


@pytest.fixture(scope="module")
def images() -> list[NDArray[np.uint8]]:
    """Blocks of one level each: noise would not get smaller."""
    blocks = np.random.default_rng(9).integers(0, 256, (6, 4, 4), np.uint8)
    return list(blocks.repeat(16, axis=1).repeat(16, axis=2))


@pytest.fixture(scope="module")
def expected(uncut_bundle: Path, images: list[NDArray[np.uint8]]) -> list[Any]:
    return uncut_probabilities(uncut_bundle, images)


def _lane(bundle: Bundle, boards: str, codec: CodecName) -> Lane:
    """One letter a piece: the board that runs it; what passes between boards is encoded."""
    manifest = bundle.manifest
    lane = Lane(dict(zip((p.name for p in manifest.pieces), boards, strict=True)), 3)
    problem = problem_of(manifest.pieces, [Board(name, 2**40) for name in sorted(set(boards))])
    crossing = crossing_tensors(problem, [lane])
    assert crossing
    return replace(lane, codecs={} if codec == "none" else dict.fromkeys(crossing, codec))


def _run(
    workers: Workers, bundle: Bundle, boards: str, codec: CodecName, images: Sequence[Any]
) -> tuple[dict[int, Any], Mapping[str, Pong]]:
    entries = [BoardEntry(name, workers.start().endpoint) for name in sorted(set(boards))]
    coordinator = Coordinator(bundle, entries)
    try:
        coordinator.deploy(Placement((_lane(bundle, boards, codec),), {}))
        slices = [PendingSlice(n, _GEOMETRY, grey) for n, grey in enumerate(images)]
        results = {result.index: result.array for result in coordinator.stream(slices)}
        return results, coordinator.pongs()
    finally:
        coordinator.close()


@pytest.mark.parametrize("boards", ["aabb", "abba", "abcd", "abab"])
def test_lossless_tensors_give_the_same_bits_whoever_reads_them(
    workers: Workers,
    tiny_bundle: Path,
    images: list[NDArray[np.uint8]],
    expected: list[Any],
    boards: str,
) -> None:
    """In ``abba`` a tensor is read where it is made and elsewhere; in ``abab`` twice on a board."""
    results, _ = _run(workers, Bundle(tiny_bundle), boards, "lossless", images)
    assert len(results) == len(images)
    for index, probabilities in results.items():
        np.testing.assert_array_equal(probabilities, expected[index])


def test_each_codec_sends_fewer_bytes_and_stays_near(
    workers: Workers, tiny_bundle: Path, images: list[NDArray[np.uint8]], expected: list[Any]
) -> None:
    sent, furthest = {}, {}
    for codec in CODECS:
        results, pongs = _run(workers, Bundle(tiny_bundle), "abba", codec, images)
        sent[codec] = sum(pong.sent_bytes for pong in pongs.values())
        furthest[codec] = max(
            int(np.abs(array.astype(int) - expected[index]).max())
            for index, array in results.items()
        )
    assert list(sent.values()) == sorted(sent.values(), reverse=True)
    assert sent["lossless"] < 0.7 * sent["none"]
    assert furthest["none"] == furthest["lossless"] == 0
    assert furthest["half"] <= 1
    assert furthest["int8"] <= 5


def test_a_plan_for_slow_links_encodes_and_masks_are_the_same(
    workers: Workers, tiny_bundle: Path, hounsfield: NDArray[np.int16]
) -> None:
    """For the least memory pieces go to both boards; what crosses is encoded by itself."""
    masks, sent = {}, {}
    for wire in ("none", "auto", "int8"):
        limit = 110 * 2**20
        entries = [
            BoardEntry(f"b{n}", workers.start(limit=limit).endpoint, up="2Mbit", down="2Mbit")
            for n in range(2)
        ]
        with Segmenter(tiny_bundle, entries, wire=wire, objective="memory") as segmenter:
            segmentation = segmenter.segment(hounsfield)
            (lane,) = segmenter.placement.lanes
        assert len(lane.members) == 2
        masks[wire], sent[wire] = segmentation.mask, segmentation.report.wire_bytes
    assert sent["int8"] < sent["none"]
    np.testing.assert_array_equal(masks["auto"], masks["none"])


def test_a_codec_that_a_board_does_not_know_is_said() -> None:
    pieces = chain_manifest([1, 1]).pieces
    problem = problem_of(pieces, [Board("old", 2**40), Board("older", 2**40)])
    with pytest.raises(PlacementError, match="old does not know the codec int8; install the same"):
        plan_encoded(problem, wire="int8")
    assert not any(lane.codecs for lane in plan_encoded(problem, wire="auto").lanes)
