"""Turns a network into a tf_keras model, as tensorflow-model-optimization needs, and back."""

from typing import Any

import numpy as np

from edgeseg.errors import ModelError
from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.keras.quiet import import_tensorflow, import_tf_keras
from edgeseg_converters.keras.rebuild import scope_name
from edgeseg_converters.layers.kind import Keras2Names
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Network, Weights

_MOMENTUM = 0.9
"""Of moving statistics: a short training must not leave stale ones behind."""


def to_keras_2(network: Network, name: str) -> Any:
    """Build a trainable tf_keras Functional model of the network, for batches of any size.

    Layer by layer, with the names that :func:`edgeseg_converters.keras.rebuild.scope_name` gives;
    :func:`weights_of` is the way back.

    Parameters
    ----------
    name
        Name of the model.

    Returns
    -------
    tf_keras.Model
        One input for each of ``graph.inputs``, and one output for each of ``graph.outputs``.

    Raises
    ------
    ModelError
        If tf_keras has no such layer.
    """
    tf_keras = import_tf_keras()
    graph = network.graph
    tensors = {
        tensor.name: tf_keras.Input(tensor.shape[1:], name=scope_name(tensor.name))
        for tensor in graph.inputs
    }
    inputs = list(tensors.values())
    for layer in graph.layers:
        built = _layer(tf_keras, layer)
        read = [tensors[tensor] for tensor in layer.inputs]
        tensors[layer.name] = built(read[0] if len(read) == 1 else read)
        if layer.weights:
            built.set_weights(network.weights[layer.name])
    return tf_keras.Model(inputs, [tensors[out] for out in graph.outputs], name=scope_name(name))


def weights_of(model: Any, graph: Graph) -> Weights:
    """Read the weights of a model that :func:`to_keras_2` built, wrapped since or not.

    Wrappers keep variables of their own and may have put others in place of the layer's, so each
    array is looked up by the name of its variable.

    Parameters
    ----------
    model
        The tf_keras model; layers may stand in wrappers that name themselves after them.
    graph
        The graph it was built of.
    """
    present = variables_of(model)
    return {
        layer.name: tuple(
            np.asarray(present[scope_name(layer.name)][name], np.float32)
            for name in _variable_names(layer)
        )
        for layer in graph.layers
        if layer.weights
    }


def variables_of(model: Any) -> dict[str, dict[str, Any]]:
    """Return all variables of a model by the name of the layer, without its wrapper, and theirs."""
    return {
        getattr(layer, "layer", layer).name: {
            variable_name(variable): variable for variable in layer.weights
        }
        for layer in model.layers
    }


def variable_name(variable: Any) -> str:
    """Return what a variable is called in its layer, such as ``kernel``."""
    return str(variable.name).rpartition("/")[2].partition(":")[0]


def custom_activations() -> dict[str, Any]:
    """Return the activations of Keras 3 that tf_keras lacks or means otherwise, by name."""
    relu6 = import_tensorflow().nn.relu6

    def hard_sigmoid(x: Any) -> Any:
        return relu6(x + 3) / 6

    def hard_silu(x: Any) -> Any:
        return x * hard_sigmoid(x)

    return {function.__name__: function for function in (hard_sigmoid, hard_silu)}


def _layer(tf_keras: Any, layer: Layer) -> Any:
    names = _names(layer).settings
    config = {names.get(key, key): value for key, value in layer.config.items()}
    if "activation" in config:
        config["activation"] = custom_activations().get(config["activation"], config["activation"])
    if kind_of(layer.kind).batch_statistics:
        config["momentum"] = _MOMENTUM
    return getattr(tf_keras.layers, layer.kind)(**config, name=scope_name(layer.name))


def _names(layer: Layer) -> Keras2Names:
    names = kind_of(layer.kind).keras_2
    if names is None:
        raise ModelError(
            f"layer {layer.name!r} is of the kind {layer.kind}, which fine-tuning can't train; "
            "leave fine-tuning out of the recipe"
        )
    return names


def _variable_names(layer: Layer) -> list[str]:
    """Name a layer's arrays as tf_keras does; their order is the same."""
    names = _names(layer).variables
    return [names.get(spec.name, spec.name) for spec in layer.weights]
