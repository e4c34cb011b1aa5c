"""Fine-tuning: a damaged network gets closer to its teacher, keeps its zeros, repeats by seed."""

from collections.abc import Sequence

import numpy as np
import pytest
import zoo

from edgeseg.errors import ModelError, UsageError
from edgeseg.network.graph import Graph
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.finetune.tune import fine_tune
from edgeseg_converters.compress.fitting.recalibrate import recalibrate
from edgeseg_converters.compress.prune.kernels import is_kernel, sparsity
from edgeseg_converters.compress.recipe import FineTuning
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network, Weights
from edgeseg_converters.precision.quantize import int8
from edgeseg_converters.tflite.chain import outputs_of, stages
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

keras = import_keras()
IMAGES: Sequence[ModelInput] = list(zoo.random_images(16)[:, np.newaxis])
UNSEEN: Sequence[ModelInput] = list(zoo.random_images(20)[16:, np.newaxis])
TUNING = FineTuning(epochs=3, rate=1e-2)


def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](keras))


def damaged(network: Network) -> Network:
    """Add noise to all kernels."""
    generator = np.random.default_rng(1)
    weights = {
        layer.name: tuple(
            array + generator.normal(0, 0.3 * array.std(), array.shape).astype(np.float32)
            if is_kernel(spec)
            else array
            for spec, array in zip(layer.weights, network.weights[layer.name], strict=True)
        )
        for layer in network.graph.layers
        if layer.weights
    }
    return Network(network.graph, weights)


def with_zeros(network: Network) -> Network:
    """Zero every other weight of all kernels, small or not."""
    weights = {
        layer.name: tuple(
            array * (np.arange(array.size).reshape(array.shape) % 2).astype(np.float32)
            if is_kernel(spec)
            else array
            for spec, array in zip(layer.weights, network.weights[layer.name], strict=True)
        )
        for layer in network.graph.layers
        if layer.weights
    }
    return Network(network.graph, weights)


def kernel_layers(graph: Graph) -> list[str]:
    return [layer.name for layer in graph.layers if any(map(is_kernel, layer.weights))]


def zeros_in(network: Network, layer: str) -> float:
    return sparsity(network.graph.subgraph("one", [layer]), network.weights)


def error(network: Network, teacher: Network) -> float:
    """Return how far the network's answers to unseen images are from its teacher's."""
    answers = [
        np.stack(outputs_of([compile_graph(one.graph, one.weights)], UNSEEN))
        for one in (network, teacher)
    ]
    return float(np.abs(answers[0] - answers[1]).mean())


def same(one: Weights, other: Weights) -> bool:
    return all(
        np.array_equal(a, b) for name in one for a, b in zip(one[name], other[name], strict=True)
    )


@pytest.mark.parametrize("family", ["plain", "batch_norm", "residual"])
def test_a_damaged_network_learns_its_teachers_answers(family: str) -> None:
    teacher = network_of(family)
    student = recalibrate(damaged(teacher), IMAGES)
    tuned = recalibrate(fine_tune(student, teacher, IMAGES, TUNING), IMAGES)
    assert tuned.graph is student.graph
    assert error(tuned, teacher) < 0.7 * error(student, teacher)


def test_a_narrower_network_learns_too() -> None:
    teacher = network_of("plain")
    student = read_network(zoo.plain(keras, base=2))
    tuned = fine_tune(student, teacher, IMAGES, TUNING)
    assert error(tuned, teacher) < 0.7 * error(student, teacher)


def test_softmax_networks_learn() -> None:
    inputs = keras.Input((16, 16, 1), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    teacher = read_network(keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="softmax")(x)))
    images = [image[:, :16, :16] for image in IMAGES]
    generator = np.random.default_rng(2)
    weights = {
        name: tuple(generator.normal(0, 1, array.shape).astype(np.float32) for array in arrays)
        for name, arrays in teacher.weights.items()
    }
    teacher = Network(teacher.graph, weights)
    student = damaged(teacher)
    tuned = fine_tune(student, teacher, images, FineTuning(epochs=8, rate=2e-2))
    answers = [
        np.stack(outputs_of([compile_graph(one.graph, one.weights)], images))
        for one in (teacher, student, tuned)
    ]
    before, after = (float(np.abs(one - answers[0]).mean()) for one in answers[1:])
    assert after < 0.5 * before


def test_same_seed_same_weights() -> None:
    teacher = network_of("batch_norm")
    short = FineTuning(epochs=1, rate=1e-2)
    runs = [fine_tune(damaged(teacher), teacher, IMAGES, short) for _ in range(2)]
    assert same(runs[0].weights, runs[1].weights)
    other = fine_tune(damaged(teacher), teacher, IMAGES, FineTuning(1, 1e-2, seed=1))
    assert not same(runs[0].weights, other.weights)


@pytest.mark.parametrize("quantization_aware", [False, True])
@pytest.mark.parametrize("family", ["plain", "separable"])
def test_zeros_grow_to_the_share_asked_for(family: str, quantization_aware: bool) -> None:
    teacher = network_of(family)
    names = kernel_layers(teacher.graph)
    shares = dict.fromkeys(names[:-1], 0.6)
    tuning = FineTuning(epochs=3, rate=1e-2, quantization_aware=quantization_aware)
    tuned = fine_tune(teacher, teacher, IMAGES, tuning, shares)
    for name in names[:-1]:
        kernels = [a for a in tuned.weights[name] if a.ndim > 1]
        assert all(np.mean(kernel == 0) >= 0.6 for kernel in kernels)
        smallest = min(kernel.size for kernel in kernels)
        assert zeros_in(tuned, name) <= 0.6 + 2 / smallest
    assert zeros_in(tuned, names[-1]) == 0


@pytest.mark.parametrize("quantization_aware", [False, True])
def test_zeros_that_are_there_stay_where_they_are(quantization_aware: bool) -> None:
    teacher = network_of("separable")
    student = with_zeros(teacher)
    shares = {name: zeros_in(student, name) for name in kernel_layers(teacher.graph)}
    tuning = FineTuning(epochs=1, rate=1e-2, quantization_aware=quantization_aware)
    tuned = fine_tune(student, teacher, IMAGES, tuning, shares)
    for name in shares:
        for old, new in zip(student.weights[name], tuned.weights[name], strict=True):
            if old.ndim > 1:
                assert not new[old == 0].any()
                assert not np.array_equal(new, old)


def test_one_step_is_enough_to_reach_the_zeros() -> None:
    teacher = network_of("plain")
    shares = dict.fromkeys(kernel_layers(teacher.graph), 0.5)
    tuned = fine_tune(teacher, teacher, IMAGES[:1], FineTuning(epochs=1), shares)
    assert min(zeros_in(tuned, name) for name in shares) >= 0.5


def test_quantization_awareness_makes_int8_no_worse() -> None:
    teacher = network_of("batch_norm")
    student = recalibrate(damaged(teacher), IMAGES)
    expected = np.stack(outputs_of([compile_graph(teacher.graph, teacher.weights)], UNSEEN))
    errors = []
    for aware in (False, True):
        tuning = FineTuning(epochs=4, rate=1e-2, quantization_aware=aware)
        tuned = recalibrate(fine_tune(student, teacher, IMAGES, tuning), IMAGES)
        floating = compile_graph(tuned.graph, tuned.weights)
        entering = next(iter(stages([floating], IMAGES)))
        rough = compile_graph(tuned.graph, tuned.weights, int8(entering, floating))
        errors.append(np.abs(np.stack(outputs_of([rough], UNSEEN)) - expected).mean())
    assert errors[1] < 1.2 * errors[0]


def test_bad_requests_are_refused() -> None:
    plain = network_of("plain")
    with pytest.raises(UsageError, match="calibration"):
        fine_tune(plain, plain, [], TUNING)
    larger = read_network(zoo.plain(keras, size=64))
    with pytest.raises(ModelError, match="compressed from"):
        fine_tune(plain, larger, IMAGES, TUNING)
