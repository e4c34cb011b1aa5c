"""Turns a network, whole or cut, back into a Keras 3 model that runs."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.errors import ModelError, field_name
from edgeseg.network.graph import Layer, Tensor
from edgeseg_converters.keras.generations import reason_of
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Network

_ONE_TENSOR = 1


def build(network: Network, name: str, batch: int | None = 1) -> Any:
    """Build a runnable Keras 3 Functional model of the network.

    Parameters
    ----------
    network
        A graph with its weights; the graph may be a piece with several inputs and outputs. Only
        the weights of the graph's own layers are read.
    name
        Name of the model.
    batch
        How many slices it takes at once; any number where it is None.

    Returns
    -------
    keras.Model
        Inputs in the order of ``graph.inputs``, named after their tensors; outputs in the order of
        ``graph.outputs``. Names pass through :func:`scope_name`. Call it with a list; it returns
        one too, but a bare tensor where there is one output, as Keras models do.

    Raises
    ------
    ModelError
        If a layer and its weights or its inputs do not fit.
    """
    keras = import_keras()
    graph = network.graph
    tensors = {tensor.name: placeholder(tensor, batch) for tensor in graph.inputs}
    inputs = list(tensors.values())
    for layer in graph.layers:
        built, tensors[layer.name] = apply(
            layer.kind, layer.name, layer.config, [tensors[tensor] for tensor in layer.inputs]
        )
        if layer.weights:
            _set_weights(built, layer, network)
    outputs = [tensors[tensor] for tensor in graph.outputs]
    return keras.Model(inputs, outputs, name=scope_name(name))


def placeholder(tensor: Tensor, batch: int | None = 1) -> Any:
    """Make the symbolic Keras tensor at which a graph's input enters, of one slice or several.

    A tensor that holds parts of one image along its first axis keeps their number.
    """
    first, *others = tensor.shape
    return import_keras().Input(
        batch_shape=(batch if first == 1 else first, *others),
        dtype=tensor.dtype,
        name=scope_name(tensor.name),
    )


def apply(kind: str, name: str, config: Mapping[str, Any], inputs: Sequence[Any]) -> Any:
    """Make a Keras 3 layer, call it on symbolic tensors, and return the layer and its output.

    Its weights are zero until they are set. A merge reads a list, every other kind one tensor.

    Parameters
    ----------
    kind
        Name of the kind of layer.
    name
        Name of the layer.
    config
        Its settings.
    inputs
        Symbolic Keras tensors.

    Raises
    ------
    ModelError
        If the layer can't be made or does not fit its inputs.
    """
    keras = import_keras()
    try:
        layer = class_of(kind)(**config, name=scope_name(name))
        for key in [key for key in vars(layer) if key.endswith("_initializer")]:
            setattr(layer, key, keras.initializers.Zeros())
        tensors = list(inputs)
        return layer, layer(tensors[0] if len(tensors) == _ONE_TENSOR else tensors)
    except (TypeError, ValueError) as error:
        shapes = " and ".join("x".join(map(str, tensor.shape[1:])) for tensor in inputs)
        raise ModelError(
            f"layer {name!r} ({kind}) does not fit its input of {shapes}: {reason_of(error)}; "
            f"try another size with {field_name('input_shape')}"
        ) from error


def class_of(kind: str) -> Any:
    """Return the Keras 3 class of a kind of layer."""
    keras, own = import_keras(), kind_of(kind).keras_class
    return getattr(keras.layers, kind) if own is None else own()


def scope_name(name: str) -> str:
    """Write a tensor's name the way TensorFlow allows a layer to be called."""
    allowed = re.sub(r"[^A-Za-z0-9_.-]", ".", name)
    return allowed if re.match(r"[A-Za-z0-9.]", allowed) else f".{allowed}"


def _set_weights(built: Any, layer: Layer, network: Network) -> None:
    try:
        built.set_weights(network.weights[layer.name])
    except ValueError as error:
        raise ModelError(
            f"the weights of layer {layer.name!r} ({layer.kind}) do not have the shapes that its "
            "settings ask for; save the model again"
        ) from error
