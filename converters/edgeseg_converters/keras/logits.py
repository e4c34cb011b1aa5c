"""The end of a model: the activation its output has gone through, or the one that logits lack."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

from edgeseg.errors import ModelError, UsageError, field_name
from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.layers.kind import ActivationOf
from edgeseg_converters.layers.registry import kind_of

Activation: TypeAlias = Literal["sigmoid", "softmax", "none"]
"""What the output is to go through; ``none`` where it holds probabilities already."""

_PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax")


def complete_logits(graph: Graph, activation: Activation | None = None) -> tuple[Graph, str | None]:
    """Give a model that ends in logits the activation it lacks.

    Unless it is stated, one channel gets a sigmoid, several get a softmax.

    Parameters
    ----------
    graph
        A graph with one output, (1, H, W, channels).
    activation
        What the user says that the output is to go through, or has gone through.

    Returns
    -------
    Graph
        The graph, completed where needed.
    str or None
        What was done, for the user to know.

    Raises
    ------
    ModelError
        If the model ends in an activation that makes no probabilities.
    UsageError
        If it ends in another activation than the one stated, or a softmax would have one channel.
    """
    (end,) = graph.outputs
    found = ending_activation(graph)
    if found in _PROBABILITIES:
        if activation not in {None, "none"} and not found.endswith(str(activation)):
            raise UsageError(
                f"{field_name('activation')} is {activation}, and the model ends in {found} "
                f"({end}); leave {field_name('activation')} out, it is for models that end in "
                "logits"
            )
        return graph, None
    if activation == "none":
        return graph, None
    if found != "linear":
        raise ModelError(
            f"the model ends in {found} ({end}), which makes no probabilities; "
            "end it in sigmoid, softmax or a linear layer"
        )
    logits = graph.tensors[end]
    kind = activation or ("sigmoid" if logits.shape[-1] == 1 else "softmax")
    if kind == "softmax" and logits.shape[-1] == 1:
        raise UsageError(
            f"a softmax over one channel ({end}) is 1 everywhere; give "
            f"{field_name('activation')} sigmoid"
        )
    name = f"{end}_{kind}"
    layer = Layer(name, "Activation", (end,), replace(logits, name=name), {"activation": kind})
    completed = Graph(graph.name, graph.inputs, (name,), (*graph.layers, layer))
    return completed, f"the model ends in logits ({end}): {kind} is added"


def ending_activation(graph: Graph) -> str:
    """Name the activation that the one output of a model has gone through."""
    (end,) = graph.outputs
    found = dict.fromkeys((tensor.name for tensor in graph.inputs), "linear")
    for layer in graph.layers:
        found[layer.name] = _activation_of(graph, layer, found)
    return found[end]


def ends_in_softmax(graph: Graph) -> bool:
    """Tell whether the channels of the one output of a model exclude each other."""
    return ending_activation(graph) == "softmax"


def _activation_of(graph: Graph, layer: Layer, before: Mapping[str, str]) -> str:
    """Name the activation that an output has gone through, past layers that keep probabilities."""
    if layer.kind == "Softmax" and layer.config.get("axis", -1) not in {
        -1,
        len(layer.output.shape) - 1,
    }:
        return f"softmax along axis {layer.config['axis']}"
    if layer.kind == "Operator" and layer.config.get("function") == "slice":
        return _activation_of_part(graph, layer, before)
    match kind_of(layer.kind).activation:
        case ActivationOf.SETTING:
            return str(layer.config.get("activation") or "linear")
        case ActivationOf.INPUT:
            activations = {before[source] for source in layer.inputs}
            return activations.pop() if len(activations) == 1 else "linear"
        case name:
            return str(name)


def _activation_of_part(graph: Graph, layer: Layer, before: Mapping[str, str]) -> str:
    """Name the activation of a slice; of a softmax, single channels are plain probabilities."""
    (source,) = layer.inputs
    all_channels = graph.tensors[source].shape[-1] == layer.output.shape[-1]
    return "sigmoid" if before[source] == "softmax" and not all_channels else before[source]
