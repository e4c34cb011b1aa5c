"""Quantization-aware training: weights and activations are rounded as in int8, but stay float."""

from typing import Any

from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.compress.finetune.keras_2 import custom_activations
from edgeseg_converters.keras.quiet import import_model_optimization, import_tf_keras
from edgeseg_converters.keras.rebuild import scope_name
from edgeseg_converters.layers.registry import kind_of

_ACTIVATIONS = frozenset({"linear", "relu", "sigmoid", "softmax", "tanh", "gelu", "silu"})
"""Those whose quantization tensorflow-model-optimization knows."""


def quantization_aware(model: Any, graph: Graph) -> Any:
    """Return a copy of a tf_keras model with weights and activations rounded as int8 rounds them.

    Layers that tensorflow-model-optimization can't quantize stay as they are. Ranges are those of
    the batch at hand: its own moving averages need thousands of steps to leave where they start.

    Parameters
    ----------
    model
        What :func:`to_keras_2` built of the graph; its weights are copied.
    """
    quantization = import_model_optimization().quantization.keras
    tf_keras = import_tf_keras()
    scheme = quantization.default_8bit.Default8BitQuantizeScheme()
    registry = scheme.get_quantize_registry()
    kinds, fit = registry.supports, _fitting(graph)
    # What a layer reads gets quantized too if the registry, asked again, supports it.
    registry.supports = lambda layer: kinds(layer) and layer.name in fit
    scheme.get_quantize_registry = lambda: registry

    def annotate(layer: Any) -> Any:
        quantizable = registry.supports(layer) or _is_norm(fit.get(layer.name))
        return quantization.quantize_annotate_layer(layer) if quantizable else layer

    annotated = tf_keras.models.clone_model(model, clone_function=annotate)
    with tf_keras.utils.custom_object_scope(custom_activations()):
        aware = quantization.quantize_apply(annotated, scheme)
    for layer in aware.layers:
        _follow_batches(quantization, layer)
    return aware


def _fitting(graph: Graph) -> dict[str, str]:
    """Return the kinds of the layers whose settings can be quantized, by name in the model."""
    return {scope_name(layer.name): layer.kind for layer in graph.layers if _fits(graph, layer)}


def _fits(graph: Graph, layer: Layer) -> bool:
    """Tell whether a layer's settings can be quantized, if its kind can."""
    if not _is_norm(layer.kind):
        return layer.config.get("activation", "linear") in _ACTIVATIONS
    read = layer.inputs[0]
    before = graph.layer(read) if read in graph.position else layer
    linear = before.config.get("activation") == "linear"
    return linear and _folds_norm(before.kind) and graph.consumers[read] == (layer.name,)


def _is_norm(kind: str | None) -> bool:
    return kind is not None and kind_of(kind).batch_statistics


def _folds_norm(kind: str) -> bool:
    names = kind_of(kind).keras_2
    return names is not None and names.folds_norm


def _follow_batches(quantization: Any, layer: Any) -> None:
    """Let a layer's activations be quantized over the range of each batch."""
    last = quantization.quantizers.LastValueQuantizer(
        num_bits=8, per_axis=False, symmetric=False, narrow_range=False
    )
    # The library offers no setting for it.
    for activation in getattr(layer, "_quantize_activations", ()):
        activation.quantizer = last
    if getattr(layer, "_output_quantizers", None):
        layer._output_quantizers = [last]  # noqa: SLF001
    if hasattr(layer, "quantizer"):
        layer.quantizer = last
