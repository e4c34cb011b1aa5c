"""Each piece gets the precision of the recipe, or stays in float32 where that is better."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import zoo

from edgeseg.bundle.manifest import Decoding
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.prune.threshold import prune_below_threshold
from edgeseg_converters.compress.recipe import Precision, Recipe
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition import Cut, Partition, PartitionRequest
from edgeseg_converters.partition.adaptive import adaptive
from edgeseg_converters.precision.assign import Chosen, _grows, _slows, compile_pieces, rounds
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import Compiled, compile_graph

pytestmark = pytest.mark.tensorflow

IMAGES: Sequence[ModelInput] = list(zoo.random_images(4)[:, np.newaxis])
DECODING = Decoding("sigmoid", (1, 3, 2))


@cache
def network_of(base: int = 8) -> Network:
    """A U-Net whose channels are above one half in half of the pixels."""
    keras = import_keras()
    return read_network(zoo.undecided(keras, zoo.plain(keras, base=base)))


def cut(network: Network, most: int) -> Partition:
    return adaptive(network.graph, PartitionRequest(max_partitions=most))


def chosen(network: Network, recipe: Recipe, most: int = 4) -> Chosen:
    """Compile, and check on the way that progress reaches its end."""
    steps: list[float] = []
    partition = cut(network, most)
    made = compile_pieces(
        Cut(network, partition),
        recipe,
        IMAGES,
        DECODING,
        lambda step=1, note=None: steps.append(step),
    )
    assert sum(steps) == rounds(recipe) * len(partition)
    assert len(made.compiled) == len(made.precisions) == len(made.losses) == len(partition)
    return made


def with_outlier(network: Network, layer: str) -> Network:
    """Blow one channel of a layer up that no later layer weighs: floats do not notice."""
    kernel, bias = network.weights[layer]
    (reader,) = network.graph.consumers[layer]
    heavy, other = network.weights[reader]
    blown, ignored = bias.copy(), heavy.copy()
    blown[0], ignored[:, :, 0] = 1e4, 0
    changed = {layer: (kernel, blown), reader: (ignored, other)}
    return Network(network.graph, {**network.weights, **changed})


def dtypes(piece: Compiled) -> set[str]:
    return {port.dtype for port in (*piece.inputs, *piece.outputs)}


@pytest.mark.parametrize("precision", ["none", "float16", "dynamic", "int8"])
def test_without_a_tolerance_all_pieces_are_alike(precision: Precision) -> None:
    made = chosen(network_of(), Recipe(quantize=precision))
    assert set(made.precisions) == {precision}
    assert set(made.losses) == {None}
    assert made.notes == ()
    expected = "int8" if precision == "int8" else "float32"
    assert all(dtypes(piece) == {expected} for piece in made.compiled)


def test_pieces_that_lose_are_kept_in_float32() -> None:
    network = network_of()
    made = chosen(network, Recipe(quantize="int8", dice_tolerance=0.0))
    exact = [compile_graph(piece, network.weights) for piece in cut(network, 4)]
    assert "none" in made.precisions
    for piece, float_piece, precision, loss in zip(
        made.compiled, exact, made.precisions, made.losses, strict=True
    ):
        assert loss is not None
        if loss > 0:
            assert precision == "none"
            assert f"{piece.graph.name} is kept in float32: int8 alone costs {loss:.4f} Dice" in (
                "\n".join(made.notes)
            )
        assert (piece.model == float_piece.model) == (precision == "none")
    assert len(made.notes) == made.precisions.count("none")


def test_only_the_piece_with_an_outlier_stays_in_float32() -> None:
    network = network_of()
    # Two convolutions of one piece, so that the outlier crosses no cut.
    inside = next(
        (index, layer.name)
        for index, piece in enumerate(cut(network, 4))
        for layer in piece.layers
        if layer.kind == "Conv2D" and layer.name not in piece.outputs
        if piece.layer(piece.consumers[layer.name][0]).kind == "Conv2D"
    )
    blown = with_outlier(network, inside[1])
    made = chosen(blown, Recipe(quantize="int8", dice_tolerance=0.1))
    losses = [loss or 0.0 for loss in made.losses]
    assert losses[inside[0]] == max(losses) > 0.1
    lossy = [loss > 0.1 for loss in losses]
    assert lossy.count(True) == 1
    assert made.precisions[inside[0]] == "none"
    assert "limit 0.1000" in "".join(made.notes)
    for one, other in zip(
        outputs_of([compile_graph(blown.graph, blown.weights)], IMAGES),
        outputs_of(made.compiled, IMAGES),
        strict=True,
    ):
        assert np.abs(one - other).max() < 0.1


def test_what_is_larger_or_slower_has_a_drawback() -> None:
    small, large = (
        compile_graph(network.graph, network.weights) for network in (network_of(4), network_of(32))
    )
    assert "makes it larger" in (_grows(small, large) or "")
    assert "makes it slower" in (_slows(small, large) or "")
    assert _grows(large, small) is _slows(large, small) is None
    assert _grows(small, small) is _slows(small, small) is None


@pytest.mark.parametrize("precision", ["none", "float16", "int8"])
def test_sparse_encoding_shrinks_files_and_keeps_every_value(precision: Precision) -> None:
    network = prune_below_threshold(network_of(32), 1.5)
    dense = chosen(network, Recipe(quantize=precision), most=1)
    sparse = chosen(network, Recipe(quantize=precision, sparse_encoding=True), most=1)
    sizes = [sum(len(piece.model) for piece in made.compiled) for made in (dense, sparse)]
    assert sizes[1] < 0.7 * sizes[0]
    for one, other in zip(
        outputs_of(dense.compiled, IMAGES), outputs_of(sparse.compiled, IMAGES), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    (note,) = sparse.notes
    assert "more memory: weights are made dense again when loaded" in note


def test_sparse_encoding_without_zeros_changes_nothing() -> None:
    made = chosen(network_of(), Recipe(sparse_encoding=True), most=1)
    assert made.notes == ("sparse encoding: no piece has enough zeros, all stay dense",)
    assert made.compiled == chosen(network_of(), Recipe(), most=1).compiled


@pytest.mark.parametrize("tolerance", [None, 0.5])
def test_a_piece_whose_scales_litert_refuses_stays_in_float32(tolerance: float | None) -> None:
    network = network_of()
    second = network.graph.layers[1]
    kernel, bias = network.weights[second.name]
    # A ReLU of nothing but large negative numbers is zero on every slice.
    dead = {second.name: (1e4 * kernel, np.full_like(bias, -1e9))}
    network = Network(network.graph, {**network.weights, **dead})
    made = chosen(network, Recipe(quantize="int8", dice_tolerance=tolerance), most=20)
    index = next(n for n, piece in enumerate(made.exact) if second.name in piece.graph.position)
    assert made.precisions[index] == "none"
    assert made.compiled[index] is made.exact[index]
    assert "int8" in made.precisions
    name = made.exact[index].graph.name
    assert any(note.startswith(f"{name} is kept in float32: LiteRT refuses") for note in made.notes)
    assert np.isfinite(outputs_of(made.compiled, IMAGES)).all()
