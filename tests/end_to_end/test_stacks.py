"""A model of three neighbouring slices: the same masks on any boards, and no slice sent twice."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limits import limit_in_shifts
from numpy.typing import NDArray
from processes import Workers
from slice_steps import at_slice

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest
from edgeseg.imaging.levels import to_input
from edgeseg.imaging.neighbours import SliceLevels
from edgeseg.imaging.slices import to_native, to_probabilities
from edgeseg_converters import convert
from edgeseg_converters.compare.bundle_runner import load_pieces
from edgeseg_converters.keras.quiet import import_keras, quiet
from edgeseg_runtime import Segmenter
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.messaging.assignments import reader_boards
from edgeseg_runtime.segmentation.arrays import as_slices
from edgeseg_runtime.segmentation.prepared_slices import PreparedSlices

pytestmark = pytest.mark.tensorflow
_KERAS = import_keras()
_SIZE = 64
_COUNT = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small U-Net of three channels whose mask is not trivial."""
    layers = _KERAS.layers
    _KERAS.utils.set_random_seed(3)
    image = _KERAS.Input((_SIZE, _SIZE, 3), name="image")
    skip = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    deep = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(skip))
    x = layers.Concatenate()([layers.UpSampling2D()(deep), skip])
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    head = layers.Conv2D(1, 1, activation="sigmoid", name="head")
    model = _KERAS.Model(image, head(x))
    features = _KERAS.Model(image, x)(np.random.default_rng(0).random((1, _SIZE, _SIZE, 3)))
    kernel = head.get_weights()[0]
    head.set_weights([8 * kernel, np.ravel(-8 * np.median(features @ kernel[0, 0]))])
    path = tmp_path_factory.mktemp("model") / "stack.keras"
    with quiet():
        model.save(path)
    return path


@pytest.fixture(scope="module")
def stacked(model: Path) -> Path:
    """Its bundle in a piece a layer, of a window that travels in 16 bits."""
    bundle = model.with_name("stack.edgeseg")
    convert(model, bundle, slices=3, window=(-200.0, 300.0), strategy="layer")
    return bundle


@pytest.fixture(scope="module")
def repeated(model: Path) -> Path:
    """The same network with the slice itself in each channel."""
    bundle = model.with_name("repeated.edgeseg")
    convert(model, bundle, channels="repeat", window=(-200.0, 300.0), strategy="layer")
    return bundle


@pytest.fixture(scope="module")
def tiled(model: Path) -> Path:
    """Row tiles, of which two boards read the image."""
    bundle = model.with_name("tiled.edgeseg")
    convert(model, bundle, slices=3, window=(-200.0, 300.0), strategy="data", ways=2)
    return bundle


@pytest.fixture(scope="module")
def scan() -> NDArray[np.int16]:
    """HU of a scan that differs from slice to slice."""
    generator = np.random.default_rng(9)
    voxels: NDArray[np.int16] = generator.integers(-1000, 400, (_COUNT, _SIZE, _SIZE)).astype(
        np.int16
    )
    return voxels


@pytest.fixture(scope="module")
def expected(stacked: Path, scan: NDArray[np.int16]) -> NDArray[np.uint8]:
    """What the pieces make of each slice and its neighbours, in this process."""
    return _masks(stacked, scan)


@pytest.fixture(scope="module")
def expected_backward(stacked: Path, scan: NDArray[np.int16]) -> NDArray[np.uint8]:
    """The same of the scan from its last slice to its first."""
    return _masks(stacked, scan[::-1].copy())


def _masks(bundle: Path, scan: NDArray[np.int16]) -> NDArray[np.uint8]:
    opened = Bundle(bundle)
    manifest, pieces = opened.manifest, load_pieces(opened)
    slices = as_slices(scan, None)
    levels = SliceLevels(slices, manifest.preprocessing)
    masks = [
        to_native(
            to_probabilities(pieces(to_input(levels.of(index), manifest.preprocessing))),
            slices.geometry(index),
            manifest.preprocessing,
            manifest.decoding,
        )
        for index in range(len(scan))
    ]
    return np.stack(masks)


@dataclass(frozen=True)
class _Boards:
    """Boards that were started for one test, and a coordinator of a bundle on them."""

    coordinator: Coordinator
    manifest: Manifest

    def masks(self, lanes: tuple[Lane, ...], scan: NDArray[np.int16]) -> NDArray[np.uint8]:
        self.coordinator.deploy(Placement(lanes, {}))
        slices = as_slices(scan, None)
        pending = PreparedSlices(slices, range(len(slices)), self.manifest.preprocessing)
        masks = self.collected(pending, scan)
        return np.stack([masks[index] for index in range(len(slices))])

    def collected(
        self, pending: PreparedSlices, scan: NDArray[np.int16]
    ) -> dict[int, NDArray[np.uint8]]:
        """Segment slices of a scan, by index, on the placement that is deployed."""
        slices = as_slices(scan, None)
        masks = {}
        for result in self.coordinator.stream(pending):
            masks[result.index] = (
                result.array
                if result.kind == "mask"
                else to_native(
                    result.array,
                    slices.geometry(result.index),
                    self.manifest.preprocessing,
                    self.manifest.decoding,
                )
            )
        return masks

    def lane(self, boards: str, window: int = 3) -> Lane:
        """The boards that run the pieces in turn, a letter each."""
        names = [piece.name for piece in self.manifest.pieces]
        return Lane(dict(zip(names, cycle(boards), strict=False)), window)

    @property
    def received_bytes(self) -> int:
        """Bytes that all boards have received."""
        return sum(pong.received_bytes for pong in self.coordinator.pongs().values())


def _boards(workers: Workers, bundle: Path, names: str) -> Iterator[_Boards]:
    opened = Bundle(bundle)
    entries = [BoardEntry(name, workers.start().endpoint) for name in names]
    coordinator = Coordinator(opened, entries)
    try:
        yield _Boards(coordinator, opened.manifest)
    finally:
        coordinator.close()


@pytest.fixture
def boards(workers: Workers, stacked: Path) -> Iterator[_Boards]:
    """Two boards for the model of stacks."""
    yield from _boards(workers, stacked, "ab")


def test_masks_are_those_of_the_neighbours(
    expected: NDArray[np.uint8], repeated: Path, scan: NDArray[np.int16]
) -> None:
    """And not those of the slice alone."""
    assert 0.1 < expected.mean() < 0.9
    assert (expected != _masks(repeated, scan)).mean() > 0.1


@pytest.mark.parametrize(
    ("lanes", "windows"),
    [(("a",), (1,)), (("a", "b"), (2, 3)), (("ab",), (3,)), (("ba", "a"), (2, 2))],
    ids=["one", "each", "folded", "shared"],
)
def test_every_placement_makes_the_same_masks(
    boards: _Boards,
    expected: NDArray[np.uint8],
    expected_backward: NDArray[np.uint8],
    scan: NDArray[np.int16],
    *,
    lanes: tuple[str, ...],
    windows: tuple[int, ...],
) -> None:
    placed = tuple(map(boards.lane, lanes, windows))
    np.testing.assert_array_equal(boards.masks(placed, scan), expected)
    # A second scan in the same epoch: its numbers are none of the first.
    again = boards.masks(placed, scan[::-1].copy())
    np.testing.assert_array_equal(again, expected_backward)
    assert (again[0] != expected[0]).any()


def test_pieces_in_turn_make_the_same_masks(
    boards: _Boards, expected: NDArray[np.uint8], scan: NDArray[np.int16]
) -> None:
    names = [piece.name for piece in boards.manifest.pieces]
    lane = replace(boards.lane("a", 5), shifts=(tuple(names[:2]), tuple(names[2:])))
    np.testing.assert_array_equal(boards.masks((lane,), scan), expected)


def test_slices_that_are_left_of_one_scan_do_not_reach_into_the_next(
    boards: _Boards, expected: NDArray[np.uint8], scan: NDArray[np.int16]
) -> None:
    """A resumed run may end before the last slice, whose levels boards hold all the same."""
    boards.coordinator.deploy(Placement((boards.lane("a"),), {}))
    how = boards.manifest.preprocessing
    left = PreparedSlices(as_slices(scan, None), range(0, _COUNT - 1, 3), how)
    masks = boards.collected(left, scan)
    assert sorted(masks) == list(range(0, _COUNT - 1, 3))
    for index, mask in masks.items():
        np.testing.assert_array_equal(mask, expected[index])
    other = np.roll(scan, 7, axis=0)
    again = boards.collected(PreparedSlices(as_slices(other, None), range(_COUNT), how), other)
    for index in range(8, _COUNT - 1):
        np.testing.assert_array_equal(again[index], expected[index - 7])


def test_bands_make_the_same_masks(
    workers: Workers, model: Path, expected: NDArray[np.uint8], scan: NDArray[np.int16]
) -> None:
    bundle = model.with_name("banded.edgeseg")
    convert(
        model, bundle, slices=3, window=(-200.0, 300.0), strategy="block", max_activations="128KiB"
    )
    assert any(piece.bands for piece in Bundle(bundle).manifest.pieces)
    for boards in _boards(workers, bundle, "ab"):
        masks = boards.masks((boards.lane("ab"),), scan)
        np.testing.assert_array_equal(masks, expected)


def test_two_boards_that_tile_the_image_make_the_same_masks(
    workers: Workers, tiled: Path, scan: NDArray[np.int16]
) -> None:
    for boards in _boards(workers, tiled, "ab"):
        lane, image = boards.lane("ab"), boards.manifest.input.tensor
        assert reader_boards(boards.manifest, lane, image) == ("a", "b")
        masks = boards.masks((lane,), scan)
        np.testing.assert_array_equal(masks, _masks(tiled, scan))


def test_no_slice_is_sent_twice(
    workers: Workers, stacked: Path, repeated: Path, scan: NDArray[np.int16]
) -> None:
    """Bytes are those of one slice a slice, but where the two boards' runs meet."""
    received = {}
    for bundle in (stacked, repeated):
        for boards in _boards(workers, bundle, "ab"):
            lanes = (boards.lane("a"), boards.lane("b"))
            boards.coordinator.deploy(Placement(lanes, {}))
            before = boards.received_bytes
            boards.masks(lanes, scan)
            received[bundle] = boards.received_bytes - before
    extra = (received[stacked] - received[repeated]) / (2 * _SIZE**2)
    assert extra < 8  # two where the runs meet, and two for each half that changes hands


@pytest.mark.parametrize("in_shifts", [False, True])
def test_a_lost_board_changes_no_mask(
    workers: Workers,
    base_memory: int,
    stacked: Path,
    scan: NDArray[np.int16],
    *,
    in_shifts: bool,
) -> None:
    """More slices than two boards have in flight, so that the lost one has some of them."""
    long = np.concatenate([np.roll(scan, shift, axis=1) for shift in range(5)])
    manifest = Bundle(stacked).manifest
    limit = limit_in_shifts(manifest, base_memory) if in_shifts else "1GiB"
    started = [workers.start(limit=limit) for _ in range(2)]
    endpoints: Any = [worker.endpoint for worker in started]
    with Segmenter(stacked, endpoints) as segmenter:
        done = segmenter.segment(long, progress=at_slice(9, started[0].process.kill, 0.01))
    np.testing.assert_array_equal(done.mask, _masks(stacked, long))
    assert len(done.report.losses) == 1
