"""Layers of Keras that become other layers of the graph: of other kinds, or several."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from edgeseg.errors import ModelError
from edgeseg_converters.keras.generations import is_built_in, is_keras_2
from edgeseg_converters.keras.operators.call import operands_in
from edgeseg_converters.keras.operators.general import operator
from edgeseg_converters.keras.parts import Arrays, Operand, Outcome, Part, rescaling
from edgeseg_converters.layers.table import TRAINING_ONLY

_Translator: TypeAlias = Callable[[Any, Sequence[Operand], str], Outcome]

_TOLD_BY_NAME = frozenset({"MultiHeadAttention"})
"""Layers whose call has a parameter for each tensor, which may be told by name."""

_EPSILON = 1e-7
"""Smallest standard deviation that Keras divides by."""

_KERAS_2_ACTIVATIONS: Mapping[str, tuple[Part, ...]] = {
    "hard_sigmoid": (
        rescaling(0.2, 0.5),
        Part("ReLU", {"max_value": 1.0, "negative_slope": 0.0, "threshold": 0.0}),
    )
}
"""Activations that tf_keras means otherwise than Keras 3, in layers."""


def layer_outcome(layer: Any, operands: Sequence[Operand], name: str) -> Outcome:
    """Return what a call of a layer becomes.

    Parameters
    ----------
    layer
        A layer of Keras 3 or tf_keras.
    operands
        What it is called on.
    name
        What the call goes by in messages.

    Raises
    ------
    ModelError
        If a layer's variant can't be compiled.
    """
    kind = type(layer).__name__
    if getattr(layer, "hands_on", False) and len(operands) == 1:
        return operands[0]
    if is_built_in(layer):
        if kind in TRAINING_ONLY:
            return operands[0]
        if kind in _TRANSLATORS:
            return _TRANSLATORS[kind](layer, operands, name)
    settings = layer.get_config()
    behind = _activation_behind(layer, settings)
    if behind is None:
        return (Part(kind, settings, _names(operands), weights_of(layer)),)
    if kind == "Activation":
        return behind
    weights = weights_of(layer)
    own = len(weights) - sum(len(part.weights) for part in behind)
    linear = {**settings, "activation": "linear"}
    return Part(kind, linear, _names(operands), weights[:own]), *behind


def operands_of(layer: Any, args: Any, kwargs: Mapping[str, Any], name: str) -> tuple[Operand, ...]:
    """Return the tensors that a layer is called on, in the order that its call has them.

    Raises
    ------
    ModelError
        If a tensor is given besides, such as a mask.
    """
    if type(layer).__name__ not in _TOLD_BY_NAME:
        return tuple(operands_in((args, kwargs)))
    named = inspect.signature(layer.call).bind(*args, **kwargs).arguments
    told = tuple(named.pop(key) for key in ("query", "value", "key") if named.get(key) is not None)
    if operands_in(named) or named.get("use_causal_mask"):
        raise ModelError(
            f"layer {name!r} ({type(layer).__name__}) reads a mask, which can't be compiled; "
            "leave it off"
        )
    return tuple(operands_in(told))


def weights_of(layer: Any) -> Arrays:
    """Return the arrays of a layer, float32."""
    arrays = layer.get_weights() if hasattr(layer, "get_weights") else ()
    return tuple(np.asarray(array, dtype=np.float32) for array in arrays)


def _activation_behind(layer: Any, settings: Mapping[str, Any]) -> tuple[Part, ...] | None:
    """Return the layers that stand for an activation which is no name, None if it is one."""
    activation: Any = getattr(layer, "activation", None)
    if hasattr(activation, "get_config") and hasattr(activation, "get_weights"):
        kind = type(activation).__name__
        if not is_built_in(activation):
            return None
        if kind == "Activation":
            return _activation_behind(activation, activation.get_config())
        return (Part(kind, activation.get_config(), (), weights_of(activation)),)
    if is_keras_2(layer):
        return _KERAS_2_ACTIVATIONS.get(str(settings.get("activation")))
    return None


def _names(operands: Sequence[Operand]) -> tuple[str, ...]:
    return tuple(operand.name for operand in operands)


def _normalization(layer: Any, operands: Sequence[Operand], name: str) -> Outcome:
    """Express a Normalization along the channels as a factor and a summand for each."""
    (operand,) = operands
    mean, variance = (np.asarray(array, np.float64) for array in (layer.mean, layer.variance))
    channels = operand.shape[-1]
    if mean.size not in {1, channels} or max(mean.shape[:-1], default=1) > 1:
        raise ModelError(
            f"layer {name!r} (Normalization) has a mean for each place of the image; adapt it "
            "with axis=-1, a mean for each channel, and save the model again"
        )
    deviation = np.maximum(np.sqrt(variance), _EPSILON)
    if getattr(layer, "invert", False):
        return (rescaling(deviation, mean),)
    return (rescaling(1 / deviation, -mean / deviation),)


def _center_crop(layer: Any, operands: Sequence[Operand], name: str) -> Outcome:
    """Express a crop whose sizes are known by the rows and columns at each edge."""
    (operand,) = operands
    cropping = []
    for made, read in zip((layer.height, layer.width), operand.shape[1:3], strict=True):
        if made > read:
            raise ModelError(
                f"layer {name!r} (CenterCrop) would enlarge its input; use a Resizing layer"
            )
        before = (read - made) // 2
        cropping.append([before, read - made - before])
    return (Part("Cropping2D", {"cropping": cropping}),)


def _layer_scale(layer: Any, _: Sequence[Operand], __: str) -> Outcome:
    (factors,) = weights_of(layer)
    return (rescaling(factors, 0.0),)


def _custom_scale(layer: Any, operands: Sequence[Operand], _: str) -> Outcome:
    """Express ``a + scale * b``, as InceptionResNetV2 has it."""
    first, second = operands
    scaled = rescaling(layer.scale, 0.0)
    return (
        Part(scaled.kind, scaled.settings, (second.name,)),
        Part("Add", {}, (first.name, "")),
    )


def _thresholded_relu(layer: Any, _: Sequence[Operand], __: str) -> Outcome:
    threshold = float(np.asarray(layer.theta))
    return (Part("ReLU", {"max_value": None, "negative_slope": 0.0, "threshold": threshold}),)


def _einsum_dense(layer: Any, operands: Sequence[Operand], _: str) -> Outcome:
    """Fill in the extents of the output that were open when the layer was made."""
    settings = layer.get_config()
    read, _, made = str(settings["equation"]).partition("->")
    extents = dict(zip(read.split(",")[0], operands[0].shape, strict=False))
    told = settings["output_shape"]
    told = [told] if isinstance(told, int) else list(told)
    letters = made[len(made) - len(told) :]
    filled = [
        extents.get(letter) if extent is None else extent
        for letter, extent in zip(letters, told, strict=True)
    ]
    settings = {**settings, "output_shape": filled}
    return (Part("EinsumDense", settings, _names(operands), weights_of(layer)),)


def _pooled_line(layer: Any, operands: Sequence[Operand], _: str) -> Outcome:
    function = "max" if "Max" in type(layer).__name__ else "mean"
    options = {"axes": [1], "keepdims": bool(layer.keepdims)}
    return (operator(function, operands, options),)


def _pooled_to_size(layer: Any, operands: Sequence[Operand], name: str) -> Outcome:
    """Express a pooling to a size that divides its input's by the extents of its kernel."""
    (operand,) = operands
    size = layer.output_size
    made = (size, size) if isinstance(size, int) else tuple(size)
    extents = list(zip(operand.shape[1:3], made, strict=True))
    if any(read % wanted for read, wanted in extents):
        raise ModelError(
            f"layer {name!r} ({type(layer).__name__}) makes a size that does not divide its "
            "input's; use an AveragePooling2D or a MaxPooling2D layer"
        )
    pool = [read // wanted for read, wanted in extents]
    kind = type(layer).__name__.removeprefix("Adaptive")
    return (Part(kind, {"pool_size": pool, "strides": pool, "padding": "valid"}),)


def _repeated(layer: Any, operands: Sequence[Operand], _: str) -> Outcome:
    (operand,) = operands
    shape = Part("Reshape", {"target_shape": [1, operand.shape[-1]]}, _names(operands))
    tiles = {
        "function": "tile",
        "operands": [{"input": 0}],
        "options": {"repeats": [1, layer.n, 1]},
    }
    return shape, Part("Operator", tiles)


def _inner(layer: Any, operands: Sequence[Operand], name: str) -> Outcome:
    """Return a layer whose kernel was normalized in training, as it was left."""
    return layer_outcome(layer.layer, operands, name)


def _handed_on(_: Any, operands: Sequence[Operand], __: str) -> Outcome:
    return operands[0]


_TRANSLATORS: Mapping[str, _Translator] = {
    "AdaptiveAveragePooling2D": _pooled_to_size,
    "AdaptiveMaxPooling2D": _pooled_to_size,
    "CenterCrop": _center_crop,
    "CustomScaleLayer": _custom_scale,
    "EinsumDense": _einsum_dense,
    "GlobalAveragePooling1D": _pooled_line,
    "GlobalMaxPooling1D": _pooled_line,
    "LayerScale": _layer_scale,
    "Normalization": _normalization,
    "RepeatVector": _repeated,
    "SpectralNormalization": _inner,
    "StochasticDepth": _handed_on,
    "ThresholdedReLU": _thresholded_relu,
}
"""Layers that come with Keras and are no kind of the table."""
