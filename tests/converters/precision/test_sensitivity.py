"""What a single rough piece costs is measured against the chain that is float32 throughout."""

from collections.abc import Sequence

import numpy as np
import pytest
import zoo
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition import PartitionRequest
from edgeseg_converters.partition.adaptive import adaptive
from edgeseg_converters.precision.sensitivity import dice_loss, dice_losses, regions_of
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import Compiled, compile_graph

pytestmark = pytest.mark.tensorflow

IMAGES: Sequence[ModelInput] = list(zoo.random_images(3)[:, np.newaxis])
SIGMOID = Decoding("sigmoid", (1, 3, 2))


def regions(*planes: str) -> NDArray[np.bool_]:
    """One region a word, one pixel a letter: ``x`` belongs to it."""
    return np.array([[letter == "x" for letter in plane] for plane in planes])[:, None, None]


@pytest.mark.parametrize(
    ("truth", "prediction", "loss"),
    [
        (regions("xx..", "x..."), regions("xx..", "x..."), 0.0),
        (regions("xx..", "x..."), regions("x...", "x..."), (1 - 2 / 3) / 2),
        (regions("xx..", "...."), regions("..xx", "...."), 1.0),
        # A region that the truth lacks has no Dice.
        (regions("xx..", "...."), regions("xx..", "xxxx"), 0.0),
        # Without any region the share of pixels that differ stands in.
        (regions("....", "...."), regions("x...", "...."), 1 / 8),
    ],
)
def test_loss_is_the_mean_over_regions(
    truth: NDArray[np.bool_], prediction: NDArray[np.bool_], loss: float
) -> None:
    assert dice_loss(truth, prediction) == pytest.approx(loss)


def test_regions_follow_the_decoding() -> None:
    output = np.array([[[[0.6, 0.4, 0.5], [0.1, 0.7, 0.2]]]], np.float32)
    nested = regions_of([output, output], SIGMOID)
    assert nested.shape == (3, 2, 1, 2)
    assert nested[:, 0, 0].tolist() == [[True, False], [False, True], [True, False]]
    # The background's own channel is no region.
    exclusive = regions_of([output], Decoding("softmax", (0, 1, 2)))
    assert exclusive[:, 0, 0].tolist() == [[False, True], [False, False]]


def pieces_of(network: Network) -> list[Compiled]:
    partition = adaptive(network.graph, PartitionRequest(max_partitions=4))
    return [compile_graph(piece, network.weights) for piece in partition]


def test_each_piece_is_judged_alone() -> None:
    network = read_network(zoo.plain(import_keras()))
    exact = pieces_of(network)
    noise = np.random.default_rng(1)
    noisy = {
        name: tuple(np.float32(array * noise.normal(1, 0.2, array.shape)) for array in arrays)
        for name, arrays in network.weights.items()
    }
    rough = pieces_of(Network(network.graph, noisy))
    losses = list(dice_losses(exact, rough, IMAGES, SIGMOID, {}))
    truth = regions_of(outputs_of(exact, IMAGES), SIGMOID)
    for index, loss in enumerate(losses):
        mixed = [*exact[:index], rough[index], *exact[index + 1 :]]
        assert loss == dice_loss(truth, regions_of(outputs_of(mixed, IMAGES), SIGMOID))
    assert len(losses) == len(exact)
    assert max(losses) > 0
    assert list(dice_losses(exact, exact, IMAGES, SIGMOID, {})) == [0.0] * len(exact)
