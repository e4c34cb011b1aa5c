"""What compressing a piece costs is what the whole network loses when only it is compressed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import zoo
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.compress import Compressed, compress
from edgeseg_converters.compress.recipe import Filters, Recipe, Rounding, Zeros
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network, Weights
from edgeseg_converters.partition import PartitionRequest, strategies
from edgeseg_converters.precision import assign
from edgeseg_converters.precision.assign import compile_pieces
from edgeseg_converters.precision.piece_loss import PieceLosses, measure_losses
from edgeseg_converters.precision.sensitivity import dice_loss, dice_losses, regions_of
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

IMAGES: Sequence[ModelInput] = list(zoo.random_images(4)[:, np.newaxis])
DECODING = Decoding("sigmoid", (1, 3, 2))
HALF = Recipe(filters=Filters(0.5, multiple=1))


def network_of(family: str) -> Network:
    keras = import_keras()
    return read_network(zoo.undecided(keras, zoo.FAMILIES[family](keras)))


def ignore(*_: object, **__: object) -> None:
    """Take progress, and tell nobody."""


def measured(
    original: Network,
    compressed: Compressed,
    recipe: Recipe,
    images: Sequence[ModelInput] = IMAGES,
    **request: int,
) -> PieceLosses:
    """Measure, and check on the way that progress reaches its end."""
    steps: list[float] = []
    strategy = strategies()["data" if "ways" in request else "adaptive" if request else "layer"].cut
    cut = strategy(compressed.network, PartitionRequest(**request))
    chosen = compile_pieces(cut, recipe, images, DECODING, ignore)

    def advance(step: int = 1, note: str | None = None) -> None:
        steps.append(step)

    made = measure_losses(original, compressed, cut, chosen, images, DECODING, advance)
    assert sum(steps) == len(cut.pieces) == len(made.losses)
    return made


def loss_of(original: Network, weights: Weights) -> float:
    """Return what the network loses with some weights instead of its own."""
    truth, found = (
        regions_of(outputs_of([compile_graph(original.graph, values)], IMAGES), DECODING)
        for values in (original.weights, {**original.weights, **weights})
    )
    return dice_loss(truth, found)


def embedded(
    original: Network, compressed: Compressed, layers: Sequence[str]
) -> Mapping[str, tuple[NDArray[np.float32], ...]]:
    """Write the kernels of narrowed layers at full width.

    A channel that is gone keeps the original's kernel, and is read by none of the others.
    """
    weights = {}
    for layer in map(original.graph.layer, layers):
        reads, made = compressed.left[layer.inputs[0]], compressed.left[layer.name]
        kernel, bias = (array.copy() for array in original.weights[layer.name])
        narrow_kernel, narrow_bias = compressed.network.weights[layer.name]
        if layer.kind == "Conv2DTranspose":
            kernel[:, :, made] = 0
            kernel[:, :, np.ix_(made, reads)[0], np.ix_(made, reads)[1]] = narrow_kernel
        else:
            kernel[..., made] = 0
            kernel[:, :, np.ix_(reads, made)[0], np.ix_(reads, made)[1]] = narrow_kernel
        bias[made] = narrow_bias
        weights[layer.name] = (kernel, bias)
    return weights


def test_missing_channels_are_those_of_the_whole_network() -> None:
    original = network_of("plain")
    compressed = compress(original, HALF, IMAGES)
    made = measured(original, compressed, HALF)
    assert made.notes == ()
    pieces = strategies()["layer"].cut(compressed.network, PartitionRequest()).pieces
    for piece, loss in zip(pieces, made.losses, strict=True):
        kernels = [layer.name for layer in piece.layers if layer.weights]
        # What this oracle can say: no channel that is gone is made from a changed one.
        assert len(kernels) <= 1
        expected = loss_of(original, embedded(original, compressed, kernels))
        assert loss == pytest.approx(expected, abs=1e-3)
    assert max(loss or 0.0 for loss in made.losses) > 0.01


def test_rounded_weights_cost_what_they_cost_alone() -> None:
    original = network_of("plain")
    recipe = Recipe(rounding=Rounding(1.0, levels=3))
    compressed = compress(original, recipe, IMAGES)
    made = measured(original, compressed, recipe, max_partitions=3)
    pieces = strategies()["adaptive"].cut(original, PartitionRequest(max_partitions=3)).pieces
    for piece, loss in zip(pieces, made.losses, strict=True):
        changed = {
            layer.name: compressed.network.weights[layer.name]
            for layer in piece.layers
            if layer.weights
        }
        assert loss == pytest.approx(loss_of(original, changed), abs=1e-3)
    assert max(loss or 0.0 for loss in made.losses) > 0.01


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_every_family_is_measured_with_all_of_its_compression(family: str) -> None:
    original = read_network(zoo.FAMILIES[family](import_keras()))
    recipe = Recipe(filters=HALF.filters, quantize="int8")
    compressed = compress(original, recipe, IMAGES)
    made = measured(original, compressed, recipe, max_partitions=3)
    assert all(loss is not None and -1e-6 <= loss <= 1 for loss in made.losses)


def test_quantization_alone_is_measured_too() -> None:
    original = network_of("plain")
    recipe = Recipe(quantize="int8")
    made = measured(original, compress(original, recipe, IMAGES), recipe, max_partitions=3)
    assert all(loss is not None and loss > 0 for loss in made.losses)


def test_losses_known_from_choosing_precisions_are_those_of_the_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # How long tiny pieces take says nothing, and would choose now this way, now that.
    monkeypatch.setattr(assign, "_slows", ignore)
    original = network_of("plain")
    cut = strategies()["adaptive"].cut(original, PartitionRequest(max_partitions=3))
    limit = 0.5
    for kept in (0, 1):
        recipe = Recipe(quantize="int8", dice_tolerance=limit)
        chosen = compile_pieces(cut, recipe, IMAGES, DECODING, ignore)
        assert chosen.precisions.count("none") == kept
        made = measure_losses(original, Compressed(original), cut, chosen, IMAGES, DECODING, ignore)
        assert made.losses == tuple(
            dice_losses(chosen.exact, chosen.compiled, IMAGES, DECODING, {})
        )
        limit = sorted(loss or 0.0 for loss in chosen.losses)[-2]


def test_what_is_not_compressed_costs_nothing_to_measure() -> None:
    original = network_of("plain")
    unchanged = measured(original, Compressed(original), Recipe(), max_partitions=3)
    assert unchanged == PieceLosses((None,) * len(unchanged.losses))


def test_without_slices_nothing_is_measured() -> None:
    original = network_of("plain")
    recipe = Recipe(zeros=Zeros(1.0))
    made = measured(original, compress(original, recipe, ()), recipe, (), max_partitions=3)
    assert set(made.losses) == {None}
    assert made.notes == ()


def test_divided_layers_are_compared_where_nothing_else_was_compressed() -> None:
    original = network_of("plain")
    int8, zeros = Recipe(quantize="int8"), Recipe(zeros=Zeros(1.0))
    made = measured(original, Compressed(original), int8, ways=2)
    assert None not in made.losses
    other = measured(original, compress(original, zeros, IMAGES), zeros, ways=2)
    assert set(other.losses) == {None}
    (note,) = other.notes
    assert "divides its layers" in note
