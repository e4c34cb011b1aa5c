"""Reads what Keras 3 and tf_keras keep under different names."""

import re
from collections.abc import Iterator, Mapping
from textwrap import shorten
from typing import Any, TypeAlias

TensorKey: TypeAlias = tuple[int, int, int]

_OPERATOR_LAYERS = {"TFOpLambda", "SlicingOpLambda"}


def graph_of(layer: Any) -> Any:
    """Return the object that holds a model's layer graph, or None if the layer has none."""
    inner = getattr(layer, "_functional", None) or layer
    return inner if getattr(inner, "_nodes_by_depth", None) else None


def layers_of(functional: Any) -> Iterator[Any]:
    """Yield the layers and operators of a model in topological order."""
    yield from getattr(functional, "operations", None) or functional.layers


def nodes_of(functional: Any) -> Iterator[tuple[Any, Any, int]]:
    """Yield every call in a model as (layer or operator, node, depth).

    A call reads what calls of greater depth make; those of one depth are in no certain order.
    """
    for depth, nodes in functional._nodes_by_depth.items():  # noqa: SLF001 - Keras has no public way
        for node in nodes:
            yield (node.operation if hasattr(node, "operation") else node.layer), node, depth


def arguments_of(node: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return what a layer was called with, by position and by name."""
    if hasattr(node, "arguments"):
        return node.arguments.args, node.arguments.kwargs
    return node.call_args, node.call_kwargs


def outputs_of(node: Any) -> list[Any]:
    """List the symbolic tensors that a call made."""
    return tensors_in(node.output_tensors if hasattr(node, "output_tensors") else node.outputs)


def tensors_in(value: Any) -> list[Any]:
    """List the symbolic tensors in nested arguments, in the order they stand in."""
    if isinstance(value, Mapping):
        return [tensor for item in value.values() for tensor in tensors_in(item)]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item)]
    return [value] if is_tensor(value) else []


def is_tensor(value: Any) -> bool:
    """Say whether a value is a symbolic tensor that some layer made."""
    return hasattr(value, "_keras_history")


def key_of(tensor: Any) -> TensorKey:
    """Identify a symbolic tensor by the call that made it."""
    layer, node_index, tensor_index = tensor._keras_history  # noqa: SLF001 - Keras has no public way
    return id(layer), int(node_index), int(tensor_index)


def maker_of(tensor: Any) -> Any:
    """Return the layer that made a symbolic tensor."""
    return tensor._keras_history[0]  # noqa: SLF001 - Keras has no public way


def is_keras_2(layer: Any) -> bool:
    """Say whether a layer is one of tf_keras."""
    return type(layer).__module__.startswith("tf_keras.")


def is_built_in(layer: Any) -> bool:
    """Say whether a layer's class comes with Keras."""
    return type(layer).__module__.split(".")[0] in {"keras", "tf_keras"}


def operator_of(layer: Any) -> str | None:
    """Return the name of an operator that stands where a layer could, or None for a layer."""
    kind = type(layer).__name__
    if kind in _OPERATOR_LAYERS:
        return str(layer.get_config().get("function", kind))
    return None if hasattr(layer, "get_weights") else kind


def reason_of(error: Exception) -> str:
    """Return the one line of a Keras exception that tells the reason."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).rpartition("Exception encountered: ")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Exception encountered")]
    return shorten(telling[0], 160).rstrip(".") if telling else type(error).__name__
