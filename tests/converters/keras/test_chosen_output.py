"""One of several outputs: by name or number, without the layers that only the others need."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import ModelError, UsageError
from edgeseg_converters import convert
from edgeseg_converters.compare.bundle_runner import load_pieces
from edgeseg_converters.compare.keras_runner import KerasRunner
from edgeseg_converters.keras.chosen_output import choose_output
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras, import_tf_keras, quiet
from edgeseg_converters.reports.inspection import inspect_model

pytestmark = pytest.mark.tensorflow

GENERATIONS = pytest.mark.parametrize(
    "keras", [import_keras(), import_tf_keras()], ids=["keras", "tf_keras"]
)


def supervised(keras: Any) -> Any:
    """Two heads that segment, and one of a layer that can't be compiled."""
    layers = keras.layers
    image = keras.Input((16, 16, 1), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    deep = layers.Conv2D(4, 3, padding="same", name="deep")(x)
    ends = [
        layers.Conv2D(1, 1, activation="sigmoid", name="main")(deep),
        layers.Conv2D(1, 1, activation="sigmoid", name="aux")(x),
        layers.LSTM(2, name="report")(layers.Reshape((16, 64), name="rows")(deep)),
    ]
    return keras.Model(image, ends, name="supervised")


@GENERATIONS
@pytest.mark.parametrize(
    ("output", "names"), [("aux", ["stem", "aux"]), (0, ["stem", "deep", "main"])]
)
def test_what_only_other_outputs_need_is_left_out(
    keras: Any, output: int | str, names: list[str]
) -> None:
    graph = read_network(choose_output(supervised(keras), output)).graph
    assert [layer.name for layer in graph.layers] == names
    assert graph.outputs == (names[-1],)
    assert graph.name == "supervised"


@GENERATIONS
def test_several_outputs_are_listed(keras: Any) -> None:
    listed = r"0 main \(16x16x1\), 1 aux \(16x16x1\), 2 report \(2\)"
    with pytest.raises(ModelError, match=rf"3 outputs, one is needed: {listed}; say which one"):
        choose_output(supervised(keras), None)
    for output in ("side", 3, -1):
        with pytest.raises(UsageError, match=rf"is {output}, which the model has not.*{listed}"):
            choose_output(supervised(keras), output)


def test_one_output_needs_no_choice_but_may_be_named() -> None:
    model = zoo.plain(import_keras())
    assert choose_output(model, None) is model
    assert choose_output(model, 0) is model
    with pytest.raises(UsageError, match=r"has not; its outputs are 0 regions"):
        choose_output(model, 1)


def test_outputs_by_their_keys() -> None:
    keras = import_keras()
    image = keras.Input((8, 8, 1))
    first, second = keras.layers.ReLU(name="r")(image), keras.layers.Softmax(name="s")(image)
    model = keras.Model(image, {"mask": second, "edges": first})
    made = read_network(choose_output(model, "s")).graph
    assert [layer.kind for layer in made.layers] == ["Softmax"]


def test_a_bundle_of_one_output_is_compared_with_that_output(tmp_path: Path) -> None:
    model, bundle = tmp_path / "m.keras", tmp_path / "m.edgeseg"
    with quiet():
        supervised(import_keras()).save(model)
    convert(model, bundle, model_output="aux")
    opened = Bundle(bundle)
    assert opened.manifest.settings["model_output"] == "aux"
    assert [layer for piece in opened.manifest.pieces for layer in piece.layers] == ["stem", "aux"]
    image = zoo.random_images(1, 16)
    runner = KerasRunner(model, opened.manifest)
    np.testing.assert_allclose(runner(image), load_pieces(opened)(image), atol=1e-6)
    assert [layer.name for layer in inspect_model(model, None, 1).layers] == ["stem", "aux"]
