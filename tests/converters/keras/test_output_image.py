"""Outputs that a model flattened become images again, of the same numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.errors import ModelError
from edgeseg.network.graph import Graph
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.output_image import with_image_output
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers


def ending(*steps: Callable[[Any], Any], channels: int = 3) -> Any:
    image = x = keras.Input((8, 6, 1), name="image")
    x = layers.Conv2D(channels, 3, padding="same", name="head")(x)
    for step in steps:
        x = step(x)
    return keras.Model(image, x, name="flat")


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        (ending(layers.Reshape((48, 3)), layers.Activation("softmax")), ["Activation"]),
        (ending(layers.Reshape((-1, 3)), layers.Softmax()), ["Softmax"]),
        (ending(layers.Activation("softmax"), layers.Reshape((48, 3))), ["Activation"]),
        (ending(layers.Activation("sigmoid"), layers.Flatten()), ["Activation"]),
        (ending(layers.Reshape((8, 6)), layers.Activation("sigmoid"), channels=1), ["Activation"]),
        (ending(layers.Reshape((48, 3))), []),
        (ending(lambda x: keras.ops.sigmoid(x)[..., 0], channels=1), ["Activation"]),
        (ending(lambda x: keras.ops.squeeze(x, -1), channels=1), []),
        (
            ending(
                layers.Permute((3, 1, 2)),
                layers.Reshape((3, 48)),
                layers.Permute((2, 1)),
                layers.Activation("softmax"),
            ),
            ["Activation"],
        ),
    ],
)
def test_a_flat_output_is_undone(model: Any, kinds: list[str]) -> None:
    network = read_network(model)
    graph = with_image_output(network.graph)
    assert [layer.kind for layer in graph.layers] == ["Conv2D", *kinds]
    image = np.random.default_rng(1).uniform(size=(1, 8, 6, 1)).astype(np.float32)
    made = np.asarray(build(Network(graph, network.weights), "m")([image], training=False))
    assert made.shape[:3] == (1, 8, 6)
    np.testing.assert_array_equal(made.ravel(), np.asarray(model(image)).ravel())


@pytest.mark.parametrize(
    "steps",
    [
        [layers.GlobalAveragePooling2D(), layers.Dense(2)],
        [layers.Reshape((3, 48)), layers.Permute((2, 1)), layers.Activation("softmax")],
        [layers.Flatten(), layers.Activation("softmax")],
        [layers.Permute((2, 1, 3)), layers.Reshape((48, 3))],
        [layers.Permute((3, 1, 2))],
        [lambda x: x[:, ::-1, :, 0]],
        [lambda x: x[..., 1]],
    ],
)
def test_what_is_no_image_is_refused(steps: list[Any]) -> None:
    with pytest.raises(ModelError, match=r"has the shape \('N', .*which is no image"):
        with_image_output(read_network(ending(*steps)).graph)


def test_an_image_is_left_alone() -> None:
    graph: Graph = read_network(zoo.plain(keras)).graph
    assert with_image_output(graph) is graph
