"""Kernels are chosen by enough slices, half of them changed, as far as there is room."""

import numpy as np
import pytest
import zoo

from edgeseg_converters.compress.fitting import layerwise
from edgeseg_converters.compress.fitting.layerwise import augmented_slices
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras

pytestmark = pytest.mark.tensorflow

GRAPH = read_network(zoo.FAMILIES["plain"](import_keras())).graph
IMAGES = list(zoo.random_images(3)[:, np.newaxis])


@pytest.fixture(autouse=True)
def few_slices() -> None:
    """Let as many slices count here as a conversion takes."""


def test_every_second_slice_is_changed() -> None:
    many = augmented_slices(IMAGES, GRAPH)
    assert len(many) == 128
    assert {one.shape for one in many} == {IMAGES[0].shape}
    for number, one in enumerate(many[::2]):
        np.testing.assert_array_equal(one, IMAGES[number % 3])
    assert len({one.tobytes() for one in (*many[1::2], *IMAGES)}) == 67


def test_the_same_slices_are_varied_the_same_way() -> None:
    for one, other in zip(
        augmented_slices(IMAGES, GRAPH), augmented_slices(IMAGES, GRAPH), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_of_many_slices_some_are_taken() -> None:
    flat = [np.full((1, 32, 32, 1), level, np.float32) for level in np.linspace(0.2, 0.8, 1000)]
    many = augmented_slices(flat, GRAPH)
    assert len(many) == 128
    early, late = (np.mean([one.max() for one in some]) for some in (many[:40], many[-40:]))
    assert early < late


def test_large_tensors_leave_room_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layerwise, "_HELD_BYTES", 1)
    assert len(augmented_slices(IMAGES, GRAPH)) == 2
