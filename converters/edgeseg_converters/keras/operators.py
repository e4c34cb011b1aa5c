"""Replaces operators in a model (``x + y``, ``ops.relu(x)``) by the layers they equal."""

import numbers
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from edgeseg_converters.keras.generations import is_tensor, tensors_in

Arguments: TypeAlias = tuple[Any, ...]
Options: TypeAlias = Mapping[str, Any]
KindAndSettings: TypeAlias = tuple[str, dict[str, Any]]

_MERGES = {
    "add": "Add",
    "multiply": "Multiply",
    "subtract": "Subtract",
    "maximum": "Maximum",
    "minimum": "Minimum",
}
_ACTIVATIONS = frozenset(
    {"relu", "relu6", "sigmoid", "silu", "softplus", "softsign", "swish", "tanh"}
)
_SYNONYMS = {
    "add_v2": "add",
    "addn": "add",
    "add_n": "add",
    "mul": "multiply",
    "concat": "concatenate",
    "true_divide": "divide",
    "truedivide": "divide",
    "truediv": "divide",
    "leakyrelu": "leaky_relu",
}


def equivalent_layer(
    operator: str, arguments: Arguments, options: Options
) -> KindAndSettings | None:
    """Find the layer that does the same as an operator, or None if there is none.

    Parameters
    ----------
    operator
        Name of the function or of its class: ``Add``, ``math.multiply``, ``nn.leaky_relu``.
    arguments
        What the operator was called with, by position.
    options
        What it was called with by name, and the attributes it was made with.

    Returns
    -------
    tuple of str and dict, or None
        Kind and settings of the layer.
    """
    name = operator.rsplit(".", maxsplit=1)[-1].lower()
    name = _SYNONYMS.get(name, name)
    tensors = tensors_in((arguments, options))
    constant = _constant(arguments, options)
    if name in _MERGES and len(tensors) > 1:
        return _MERGES[name], {}
    if constant is not None or name == "negative":
        return _rescaling(name, constant, tensor_first=not arguments or is_tensor(arguments[0]))
    make = _LAYERS.get(operator) or _LAYERS.get(name)
    return None if make is None else make(arguments, options)


def _leaky_relu(arguments: Arguments, options: Options) -> KindAndSettings:
    slope = options.get("negative_slope", options.get("alpha", _second(arguments, 0.2)))
    return "LeakyReLU", {"negative_slope": slope}


def _relu(_: Arguments, options: Options) -> KindAndSettings:
    return "ReLU", {key: options[key] for key in ("max_value", "negative_slope", "threshold")}


def _along_axis(kind: str, arguments: Arguments, options: Options) -> KindAndSettings:
    return kind, {"axis": options.get("axis", _second(arguments, -1))}


def _activation(name: str, _: Arguments, __: Options) -> KindAndSettings:
    return "Activation", {"activation": name}


_LAYERS: Mapping[str, Callable[[Arguments, Options], KindAndSettings]] = {
    **{name: partial(_activation, name) for name in _ACTIVATIONS},
    "concatenate": partial(_along_axis, "Concatenate"),
    "leaky_relu": _leaky_relu,
    "softmax": partial(_along_axis, "Softmax"),
    "ReLU": _relu,
}


def _rescaling(name: str, constant: float | None, *, tensor_first: bool) -> KindAndSettings | None:
    """Express ``x * c``, ``x + c``, ``x - c``, ``c - x``, ``x / c`` and ``-x`` as a Rescaling."""
    if name == "negative":
        return "Rescaling", {"scale": -1.0, "offset": 0.0}
    if constant is None:
        return None
    scaled = {
        "multiply": (constant, 0.0),
        "add": (1.0, constant),
        "subtract": (1.0, -constant) if tensor_first else (-1.0, constant),
    }
    if name == "divide" and tensor_first and constant:
        scaled["divide"] = (1 / constant, 0.0)
    if name not in scaled:
        return None
    scale, offset = scaled[name]
    return "Rescaling", {"scale": scale, "offset": offset}


def _constant(arguments: Arguments, options: Options) -> float | None:
    """Return the one number among the two operands of a binary operator."""
    operands = (*arguments, *(options[key] for key in ("x1", "x2", "x", "y") if key in options))
    others = [operand for operand in operands if not is_tensor(operand)]
    if len(operands) != 2 or len(others) != 1 or isinstance(others[0], list | tuple):
        return None
    return _number(others[0])


def _number(value: Any) -> float | None:
    if isinstance(value, numbers.Real):
        return float(value)
    array = np.asarray(value)
    return float(array) if array.ndim == 0 and array.dtype.kind in "fiu" else None


def _second(arguments: Arguments, default: Any) -> Any:
    return arguments[1] if len(arguments) > 1 else default
