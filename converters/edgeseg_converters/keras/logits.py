"""The end of a model: adds the activation that logits lack, and tells what channels mean."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from edgeseg.bundle.manifest import Decoding, Label
from edgeseg.errors import ModelError, UsageError, field_name
from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.layers.kind import ActivationOf
from edgeseg_converters.layers.registry import kind_of

Activation: TypeAlias = Literal["sigmoid", "softmax"]

KITS = (
    Label(1, "kidney", "#2a9d8f"),
    Label(2, "tumor", "#e4572e"),
    Label(3, "cyst", "#f2c14e"),
)
_NESTED = (1, 3, 2)
"""KiTS regions, outermost first: kidney_and_mass paints kidney, mass cyst, tumor tumor."""
_PALETTE = ("#2a9d8f", "#e4572e", "#f2c14e", "#5b8def", "#b56bd6", "#8ac926", "#ff8fab", "#9c7a54")
_COLORS = {label.name: label.color for label in KITS}
_MAX_LABELS = 255


def complete_logits(graph: Graph) -> tuple[Graph, str | None]:
    """Give a model that ends in logits the activation it lacks.

    One channel gets a sigmoid, several get a softmax.

    Parameters
    ----------
    graph
        A graph with one output, (1, H, W, channels).

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
    """
    (end,) = graph.outputs
    activation = _activation_of(graph, end)
    if activation in ("sigmoid", "softmax"):
        return graph, None
    if activation != "linear":
        raise ModelError(
            f"the model ends in {activation} ({end}), which makes no probabilities; "
            "end it in sigmoid, softmax or a linear layer"
        )
    logits = graph.tensors[end]
    kind = "sigmoid" if logits.shape[-1] == 1 else "softmax"
    name = f"{end}_{kind}"
    layer = Layer(name, "Activation", (end,), replace(logits, name=name), {"activation": kind})
    completed = Graph(graph.name, graph.inputs, (name,), (*graph.layers, layer))
    return completed, f"the model ends in logits ({end}): {kind} is added"


def decoding(
    graph: Graph, labels: Sequence[str] | None = None
) -> tuple[Decoding, tuple[Label, ...]]:
    """Return how the output channels become labels, and the labels.

    Three sigmoid channels without names are the nested KiTS regions; a softmax has the
    background as its first channel.

    Parameters
    ----------
    labels
        Names, one a channel (background left out), for label values 1, 2, ...

    Raises
    ------
    UsageError
        If the number of names does not fit the model.
    ModelError
        If the output can't be read as probabilities of labels.
    """
    (end,) = graph.outputs
    channels = graph.tensors[end].shape[-1]
    softmax = _activation_of(graph, end) == "softmax"
    count = channels - 1 if softmax else channels
    if not 1 <= count <= _MAX_LABELS:
        raise ModelError(
            f"the model's {channels} output channels can't be labels; edgeseg needs 1 to 255 of "
            "them, beside the background that softmax adds"
        )
    if labels is not None and (len(labels) != count or len(set(labels)) != count):
        raise UsageError(
            f"{field_name('labels')} gives {len(labels)} names; the model needs {count}, all "
            "distinct"
        )
    nested = labels is None and count == len(KITS) and not softmax
    painted = _NESTED if nested else tuple(range(1, count + 1))
    channel_labels = (0, *painted) if softmax else painted
    output = Decoding("softmax" if softmax else "sigmoid", channel_labels)
    return output, _labels(count, labels)


def _labels(count: int, names: Sequence[str] | None) -> tuple[Label, ...]:
    if names is None and count == len(KITS):
        return KITS
    label_names = names or [f"label {value}" for value in range(1, count + 1)]
    return tuple(
        Label(value, name, _COLORS.get(name, _PALETTE[(value - 1) % len(_PALETTE)]))
        for value, name in enumerate(label_names, start=1)
    )


def _activation_of(graph: Graph, tensor: str) -> str:
    """Name the activation that a tensor has gone through, past layers that keep probabilities."""
    if tensor not in graph.position:
        return "linear"
    layer = graph.layer(tensor)
    match kind_of(layer.kind).activation:
        case ActivationOf.SETTING:
            return str(layer.config.get("activation") or "linear")
        case ActivationOf.INPUT:
            activations = {_activation_of(graph, source) for source in layer.inputs}
            return activations.pop() if len(activations) == 1 else "linear"
        case name:
            return str(name)
