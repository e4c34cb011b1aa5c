"""The activation that a model ends in, and what one that ends in logits is given."""

from dataclasses import replace
from typing import Any

import pytest

from edgeseg.errors import ModelError, UsageError
from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.logits import complete_logits, ending_activation, ends_in_softmax
from edgeseg_converters.keras.quiet import import_keras

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers


def graph_of(channels: int, *ends: Any, activation: str | None = None) -> Graph:
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(channels, 1, activation=activation, name="head")(image)
    for end in ends:
        x = end(x)
    return read_network(keras.Model(image, x)).graph


@pytest.mark.parametrize(("channels", "activation"), [(1, "sigmoid"), (2, "softmax")])
def test_logits_get_the_activation_they_lack(channels: int, activation: str) -> None:
    completed, note = complete_logits(graph_of(channels))
    assert completed.outputs == (f"head_{activation}",)
    assert completed.layers[-1].config == {"activation": activation}
    assert completed.tensors[completed.outputs[0]].shape == (1, 8, 8, channels)
    assert note is not None
    assert activation in note
    assert ending_activation(completed) == activation


@pytest.mark.parametrize(
    "graph",
    [
        graph_of(2, activation="sigmoid"),
        graph_of(2, layers.Softmax()),
        graph_of(2, layers.Activation("softmax"), layers.UpSampling2D(2)),
    ],
    ids=["within the convolution", "as a layer", "before enlarging"],
)
def test_probabilities_are_left_alone(graph: Graph) -> None:
    assert complete_logits(graph) == (graph, None)


def test_mean_of_sigmoids_is_a_probability() -> None:
    image = keras.Input((8, 8, 1), name="image")
    heads = [layers.Conv2D(1, 1, activation="sigmoid")(image) for _ in range(2)]
    graph = read_network(keras.Model(image, layers.Average()(heads))).graph
    assert complete_logits(graph) == (graph, None)
    assert not ends_in_softmax(graph)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_other_ends_are_refused(activation: str) -> None:
    with pytest.raises(ModelError, match=activation):
        complete_logits(graph_of(2, activation=activation))


def test_logits_of_several_channels_may_be_those_of_sigmoids() -> None:
    completed, note = complete_logits(graph_of(3), "sigmoid")
    assert ending_activation(completed) == "sigmoid"
    assert note == "the model ends in logits (head): sigmoid is added"


@pytest.mark.parametrize(
    ("graph", "activation", "said"),
    [
        (graph_of(2, activation="sigmoid"), "softmax", "is softmax, and the model ends in sigmoid"),
        (graph_of(2, activation="softmax"), "sigmoid", "is sigmoid, and the model ends in softmax"),
        (graph_of(1), "softmax", "a softmax over one channel"),
    ],
)
def test_a_stated_activation_must_fit(graph: Graph, activation: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        complete_logits(graph, activation)


def test_hard_sigmoids_are_probabilities() -> None:
    graph = graph_of(2, activation="hard_sigmoid")
    assert complete_logits(graph, "sigmoid") == (graph, None)


def test_probabilities_without_an_activation_may_be_stated() -> None:
    graph = graph_of(1)
    assert complete_logits(graph, "none") == (graph, None)
    assert not ends_in_softmax(graph)


def test_a_softmax_along_another_axis_makes_no_probabilities() -> None:
    with pytest.raises(ModelError, match="softmax along axis 1"):
        complete_logits(graph_of(3, layers.Softmax(axis=1)))


def test_an_output_that_is_joined_with_itself_again_and_again_is_looked_at_once_a_layer() -> None:
    graph = graph_of(1, activation="sigmoid")
    made, end = [*graph.layers], graph.tensors[graph.outputs[0]]
    for level in range(2000):
        parts = [replace(end, name=f"part{level}{side}") for side in "ab"]
        made += (Layer(part.name, "Cropping2D", (end.name,), part) for part in parts)
        end = replace(end, name=f"mean{level}")
        made.append(Layer(end.name, "Average", tuple(part.name for part in parts), end))
    joined = Graph("deep", graph.inputs, (end.name,), tuple(made))
    assert ending_activation(joined) == "sigmoid"


def test_a_part_of_probabilities_is_one() -> None:
    one = graph_of(3, lambda x: keras.ops.softmax(x)[..., 1:2])
    assert ending_activation(one) == "sigmoid"
    cropped = graph_of(3, lambda x: keras.ops.softmax(x)[:, ::2, ::2])
    assert ending_activation(cropped) == "softmax"
