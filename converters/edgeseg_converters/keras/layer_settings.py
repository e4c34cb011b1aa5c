"""Settings of Keras layers, reduced to what inference depends on, alike in Keras 2 and 3."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseg.errors import ModelError
from edgeseg_converters.layers.registry import kind_of

_ACTIVATIONS = frozenset(
    [
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
        "leaky_relu",
        "linear",
        "log_sigmoid",
        "log_softmax",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "soft_shrink",
        "softmax",
        "softplus",
        "softsign",
        "sparse_plus",
        "sparse_sigmoid",
        "squareplus",
        "tanh",
        "tanh_shrink",
    ]
)
_SYNONYMS = {"swish": "silu", "hard_swish": "hard_silu"}
_OLD_KEYS = {"negative_slope": "alpha"}
_UNSUPPORTED_FLAGS = (
    "antialias",
    "crop_to_aspect_ratio",
    "pad_to_aspect_ratio",
    "renorm",
    "rms_scaling",
    "sliding_window",
    "use_gate",
)
_KERAS_2_MEANS_ELSE = frozenset({"hard_sigmoid"})


def canonical_config(
    name: str, kind: str, settings: Mapping[str, Any], rank: int, *, keras_2: bool
) -> dict[str, Any]:
    """Reduce a Keras layer's settings to a plain form that is the same for Keras 2 and 3.

    Sequences become lists, numbers the shortest decimal of their float32 value, the last axis -1.

    Parameters
    ----------
    name, kind
        The layer's name and its class name, that of a kind that can be compiled.
    settings
        What the layer's ``get_config`` gives.
    rank
        Number of axes of the layer's input.
    keras_2
        Whether the layer comes from tf_keras, where few names mean something else.

    Raises
    ------
    ModelError
        If the layer wants channels first, an activation that is not built in, or a variant of
        its kind that can't be compiled.
    """
    if settings.get("data_format") == "channels_first":
        raise ModelError(
            f"layer {name!r} puts channels first; rebuild the model with data_format="
            "'channels_last' and save it again"
        )
    for flag in _UNSUPPORTED_FLAGS:
        if settings.get(flag):
            raise ModelError(f"layer {name!r} sets {flag}, which can't be compiled; leave it off")
    config = {key: _plain(_setting(settings, key)) for key in kind_of(kind).settings}
    if "axis" in config:
        config["axis"] = _axis(config["axis"], rank)
    if "activation" in config:
        config["activation"] = _activation(name, config["activation"], keras_2=keras_2)
    return config


def _setting(settings: Mapping[str, Any], key: str) -> Any:
    return settings.get(key, settings.get(_OLD_KEYS.get(key, key)))


def _plain(value: Any) -> Any:
    """Turn tuples, NumPy numbers and floats into what JSON gives back unchanged."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return float(str(np.float32(value)))
    return value


def _axis(axis: Any, rank: int) -> Any:
    if isinstance(axis, list):
        axes = [_axis(item, rank) for item in axis]
        return axes[0] if len(axes) == 1 else axes
    return -1 if axis % rank == rank - 1 else axis % rank


def _activation(name: str, activation: Any, *, keras_2: bool) -> str:
    canonical = _SYNONYMS.get(activation, activation) if isinstance(activation, str) else None
    if canonical not in _ACTIVATIONS or (keras_2 and canonical in _KERAS_2_MEANS_ELSE):
        shown = activation if isinstance(activation, str) else _class_name(activation)
        raise ModelError(
            f"layer {name!r} uses the activation {shown!r}, which can't be compiled; use a "
            "built-in one by its name, or put it into a layer of its own"
        )
    return canonical


def _class_name(activation: Any) -> str:
    if isinstance(activation, Mapping):
        return str(activation.get("registered_name") or activation.get("class_name"))
    return type(activation).__name__
