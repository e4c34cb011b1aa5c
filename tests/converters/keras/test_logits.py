"""What the channels of a model mean, and what a model that ends in logits is given."""

from typing import Any

import pytest

from edgeseg.bundle.manifest import Decoding
from edgeseg.errors import ModelError, UsageError
from edgeseg.network.graph import Graph
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.logits import complete_logits, decoding
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
    assert decoding(completed)[0].activation == activation


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
    assert decoding(graph)[0].activation == "sigmoid"


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_other_ends_are_refused(activation: str) -> None:
    with pytest.raises(ModelError, match=activation):
        complete_logits(graph_of(2, activation=activation))


def test_three_sigmoids_are_the_nested_kits_regions() -> None:
    how, labels = decoding(graph_of(3, activation="sigmoid"))
    assert how == Decoding("sigmoid", (1, 3, 2))
    assert [(label.value, label.name) for label in labels] == [
        (1, "kidney"),
        (2, "tumor"),
        (3, "cyst"),
    ]


def test_softmax_begins_with_the_background() -> None:
    how, labels = decoding(graph_of(3, activation="softmax"), ["kidney", "tumor"])
    assert how == Decoding("softmax", (0, 1, 2))
    assert [label.name for label in labels] == ["kidney", "tumor"]


def test_names_are_given_in_channel_order() -> None:
    how, labels = decoding(graph_of(3, activation="sigmoid"), ["a", "b", "c"])
    assert how == Decoding("sigmoid", (1, 2, 3))
    assert [label.name for label in labels] == ["a", "b", "c"]


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_labels_without_names_are_told_apart(channels: int) -> None:
    _, labels = decoding(graph_of(channels, activation="sigmoid"))
    assert len({label.name for label in labels}) == channels
    assert len({label.color for label in labels}) == channels


@pytest.mark.parametrize("names", [["kidney"], ["a", "b", "c"], ["a", "a"]])
def test_names_must_fit(names: list[str]) -> None:
    with pytest.raises(UsageError, match="the model needs 2"):
        decoding(graph_of(2, activation="sigmoid"), names)


def test_softmax_over_one_channel_is_refused() -> None:
    with pytest.raises(ModelError, match="1 output channels"):
        decoding(graph_of(1, activation="softmax"))
