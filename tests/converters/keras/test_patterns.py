"""What people write between layers compiles: every piece exact, the whole as Keras predicts."""

from typing import Any

import numpy as np
import patterns
import pytest

from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras, import_tensorflow, import_tf_keras
from edgeseg_converters.layers.cost import graph_cost
from edgeseg_converters.partition.request import pieces_of
from edgeseg_converters.rewrite.cse import merge_common_subexpressions
from edgeseg_converters.rewrite.scalings import separate_scalings
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

keras = import_keras()
tf_keras = import_tf_keras()
KERAS_3 = patterns.keras_3(keras)
KERAS_2 = patterns.keras_2(tf_keras, import_tensorflow())


def compare(model: Any) -> None:
    """Cut wherever a cut may be, and compare with the uncut file and with the model itself."""
    network = separate_scalings(merge_common_subexpressions(read_network(model)))
    graph = network.graph
    shape = graph.inputs[0].shape
    image = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    (uncut,) = outputs_of([compile_graph(graph, network.weights, plain=True)], [image])
    pieces = pieces_of(graph, ([group] for group in fused_groups(graph)))
    (cut,) = outputs_of([compile_graph(piece, network.weights) for piece in pieces], [image])
    np.testing.assert_array_equal(cut, uncut)
    np.testing.assert_allclose(uncut, np.asarray(model(image, training=False)), atol=1e-5, rtol=0)
    assert graph_cost(graph).activation_bytes > 0


@pytest.mark.parametrize("name", KERAS_3)
def test_patterns_of_keras_3(name: str) -> None:
    compare(patterns.model_of(keras, KERAS_3[name]))


@pytest.mark.parametrize("name", KERAS_2)
def test_patterns_of_tf_keras(name: str) -> None:
    compare(patterns.model_of(tf_keras, KERAS_2[name]))
