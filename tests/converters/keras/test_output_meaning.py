"""What output channels are taken for, where nothing is said and where it is."""

from collections.abc import Sequence

import pytest

from edgeseg.bundle.manifest import Decoding
from edgeseg.errors import ModelError, UsageError
from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.keras.output_meaning import decoding, is_stated

REGIONS = ("kidney_and_mass", "mass", "tumor")


def graph_of(channels: int, activation: str = "sigmoid", name: str = "head") -> Graph:
    image, made = Tensor("image", (1, 8, 8, 1)), Tensor(name, (1, 8, 8, channels))
    layer = Layer(name, "Conv2D", ("image",), made, {"activation": activation})
    return Graph("model", (image,), (name,), (layer,))


def names(graph: Graph, labels: Sequence[str] | None = None, **stated: object) -> list[str]:
    _, found = decoding(graph, labels, **stated)  # type: ignore[arg-type]
    return [label.name for label in found]


def test_sigmoids_are_labels_of_their_own_unless_they_are_said_to_be_regions() -> None:
    assert decoding(graph_of(3))[0] == Decoding("sigmoid", (1, 2, 3))
    assert names(graph_of(3)) == ["label 1", "label 2", "label 3"]


@pytest.mark.parametrize(
    ("graph", "labels", "regions"),
    [
        (graph_of(3), None, "nested"),
        (graph_of(3), REGIONS, None),
        (graph_of(3), ("Kidney and mass", "mass", "tumour"), None),
        (graph_of(3, name="regions"), None, None),
        (graph_of(3, name="model/kits_regions_2"), None, None),
    ],
)
def test_nested_kits_regions(graph: Graph, labels: Sequence[str] | None, regions: None) -> None:
    how, found = decoding(graph, labels, regions=regions)
    assert how == Decoding("sigmoid", (1, 3, 2))
    assert [(label.value, label.name) for label in found] == [
        (1, "kidney"),
        (2, "tumor"),
        (3, "cyst"),
    ]


def test_regions_may_stand_before_an_activation() -> None:
    graph = graph_of(3, "linear", "regions")
    end = Layer(
        "a", "Activation", ("regions",), Tensor("a", (1, 8, 8, 3)), {"activation": "sigmoid"}
    )
    joined = Graph("model", graph.inputs, ("a",), (*graph.layers, end))
    assert decoding(joined)[0].channels == (1, 3, 2)


@pytest.mark.parametrize(
    ("name", "labels", "regions"),
    [
        ("regions", ("a", "b", "c"), None),
        ("regions", None, "exclusive"),
        ("regional", None, None),
        ("head", ("a", "b", "c"), "nested"),
    ],
)
def test_other_sigmoids_are_painted_in_their_order(
    name: str, labels: Sequence[str] | None, regions: None
) -> None:
    how, _ = decoding(graph_of(3, name=name), labels, regions=regions)
    assert how == Decoding("sigmoid", (1, 2, 3))


@pytest.mark.parametrize(
    ("activation", "background", "expected"),
    [
        ("softmax", None, (0, 1, 2)),
        ("softmax", "first", (0, 1, 2)),
        ("softmax", "last", (1, 2, 0)),
        ("softmax", 1, (1, 0, 2)),
        ("softmax", "none", (1, 2, 3)),
        ("sigmoid", 2, (1, 2, 0)),
        ("sigmoid", "first", (0, 1, 2)),
    ],
)
def test_where_there_is_a_background_or_a_softmax_the_likeliest_wins(
    activation: str, background: int | str | None, expected: tuple[int, ...]
) -> None:
    how, labels = decoding(graph_of(3, activation), background=background)
    assert how == Decoding("softmax", expected)
    assert [label.value for label in labels] == sorted(set(expected) - {0})


def test_sigmoids_without_a_background_are_painted() -> None:
    assert decoding(graph_of(2), background="none")[0] == Decoding("sigmoid", (1, 2))


def test_a_name_may_say_which_channel_is_the_background() -> None:
    labels = ("kidney", "Background", "tumor")
    assert decoding(graph_of(3, "softmax"), labels)[0].channels == (1, 0, 2)
    assert names(graph_of(3, "softmax"), labels) == ["kidney", "tumor"]
    assert decoding(graph_of(3, "softmax"), labels, 1)[0].channels == (1, 0, 2)
    with pytest.raises(UsageError, match="names channel 1 background, and background is last"):
        decoding(graph_of(3, "softmax"), labels, "last")


def test_names_are_given_in_channel_order() -> None:
    assert names(graph_of(3, "softmax"), ["kidney", "tumor"]) == ["kidney", "tumor"]
    assert names(graph_of(3), ["a", "b", "c"]) == ["a", "b", "c"]


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_labels_without_names_are_told_apart(channels: int) -> None:
    _, labels = decoding(graph_of(channels))
    assert len({label.name for label in labels}) == channels
    assert len({label.color for label in labels}) == channels


@pytest.mark.parametrize("given", [["kidney"], ["a", "b", "c"], ["a", "a"]])
def test_names_must_fit(given: list[str]) -> None:
    with pytest.raises(UsageError, match="the model needs 2"):
        decoding(graph_of(2), given)


@pytest.mark.parametrize(
    ("graph", "labels", "background", "regions", "said"),
    [
        (graph_of(3), None, 0, "nested", "nested regions, which leave the background out"),
        (graph_of(3, name="regions"), None, "last", None, "or give regions exclusive"),
        (graph_of(4, "softmax"), None, None, "nested", "regions asks for nested regions"),
        (graph_of(4, "softmax"), REGIONS, None, None, "labels asks for nested regions"),
        (graph_of(3), None, 3, None, "are 0 to 2; give one of them"),
    ],
)
def test_contradictions_are_refused(
    graph: Graph, labels: None, background: int | str | None, regions: None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        decoding(graph, labels, background, regions)


@pytest.mark.parametrize("background", ["first", "none", None])
def test_softmax_over_one_channel_is_refused(background: str | None) -> None:
    with pytest.raises(ModelError, match="1 output channels"):
        decoding(graph_of(1, "softmax"), background=background)


def test_what_is_stated() -> None:
    assert not is_stated(graph_of(3))
    assert not is_stated(graph_of(3, name="regions"), None, None, "exclusive")
    assert is_stated(graph_of(3), None, "none")
    assert is_stated(graph_of(3), None, None, "nested")
    assert is_stated(graph_of(3, name="regions"))
    assert is_stated(graph_of(3), ("a", "background"))
    assert is_stated(graph_of(3), REGIONS)
