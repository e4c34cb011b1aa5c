"""Recognises lambdas that are arithmetic of a value, such as ``x / 255``, without running them."""

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg_converters.keras.marshalled import FunctionCode, read_function

_LOAD_ARGUMENT, _LOAD_CONSTANT, _RETURN = 124, 100, 83
_NEGATIVE = 11
_OLD_OPERATIONS = {23: "+", 24: "-", 20: "*", 27: "/"}
_NEW_OPERATION = 122
_NEW_OPERATIONS = {0: "+", 10: "-", 5: "*", 11: "/"}
_RESUME, _CACHE = 151, 0
"""Operations of Python 3.7 to 3.12; what others mean by these numbers is no arithmetic."""

_RESUME_3_13 = 149
_OF_3_13 = {
    85: _LOAD_ARGUMENT,
    83: _LOAD_CONSTANT,
    36: _RETURN,
    42: _NEGATIVE,
    45: _NEW_OPERATION,
    _RESUME_3_13: _RESUME,
    _CACHE: _CACHE,
}
"""The same operations of Python 3.13, whose functions begin with its own number."""

_WAYS_OUT = {
    "repeat_elements": "leave it out, a Multiply or an Add layer repeats a single channel itself",
    "resize": "use a Resizing or an UpSampling2D layer",
    "l2_normalize": "use a UnitNormalization layer",
    "depth_to_space": "call tf.nn.depth_to_space(x, n) between layers",
    "sigmoid": "use Activation('sigmoid')",
    "softmax": "use a Softmax layer",
    "relu": "use a ReLU layer",
    "swish": "use Activation('silu')",
    "concat": "use a Concatenate layer",
    "pad": "use a ZeroPadding2D layer",
    "expand_dims": "use a Reshape layer",
    "reshape": "use a Reshape layer",
}


@dataclass(frozen=True)
class _Line:
    """``scale * x + offset``; a constant where the scale is zero."""

    scale: float
    offset: float


def layer_of_lambda(described: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return the kind and settings of the layer that a lambda equals, None if it is not known.

    Parameters
    ----------
    described
        The description of a Lambda layer.
    """
    function = _function(described)
    if function is None or function.arguments != 1:
        return None
    line = _line(function)
    if line is None or not (math.isfinite(line.scale) and math.isfinite(line.offset)):
        return None
    return "Rescaling", {"scale": line.scale, "offset": line.offset}


def way_out_of_lambda(described: Mapping[str, Any]) -> str | None:
    """Say which layer replaces a lambda, as far as the names that it uses tell."""
    function = _function(described)
    names = () if function is None else function.names
    fitting = [way for word, way in _WAYS_OUT.items() if any(word in name for name in names)]
    return fitting[0] if fitting else None


def _function(described: Mapping[str, Any]) -> FunctionCode | None:
    """Return what a lambda computes; None if it has arguments of its own."""
    config = described.get("config")
    told = config.get("function") if isinstance(config, Mapping) else None
    if isinstance(config, Mapping) and config.get("arguments"):
        return None
    if isinstance(told, Mapping):
        inner = told.get("config")
        told = (
            [inner.get(key) for key in ("code", "defaults", "closure")]
            if isinstance(inner, Mapping)
            else None
        )
    if not isinstance(told, list) or len(told) != 3 or any(told[1:]):
        return None
    try:
        return read_function(base64.b64decode(str(told[0]), validate=False))
    except (binascii.Error, ValueError):
        return None


def _line(function: FunctionCode) -> _Line | None:
    """Follow the instructions of a function; None at the first that is no arithmetic."""
    stack: list[_Line] = []
    for operation, argument in _instructions(function.code):
        if operation == _RETURN:
            return stack[0] if len(stack) == 1 else None
        if operation == _LOAD_ARGUMENT and argument == 0:
            stack.append(_Line(1.0, 0.0))
        elif operation == _LOAD_CONSTANT and _is_number(function.constants, argument):
            stack.append(_Line(0.0, float(function.constants[argument])))
        elif operation == _NEGATIVE and stack:
            value = stack.pop()
            stack.append(_Line(-value.scale, -value.offset))
        else:
            sign = _sign(operation, argument)
            result = _combined(sign, *stack[-2:]) if sign and len(stack) > 1 else None
            if result is None:
                return None
            stack[-2:] = [result]
    return None


def _instructions(code: bytes) -> Iterator[tuple[int, int]]:
    of_3_13 = code[:1] == bytes([_RESUME_3_13])
    for number, argument in zip(code[::2], code[1::2], strict=False):
        operation = _OF_3_13.get(number, -1) if of_3_13 else number
        if operation not in {_RESUME, _CACHE}:
            yield operation, argument


def _is_number(constants: tuple[Any, ...], place: int) -> bool:
    if place >= len(constants):
        return False
    value = constants[place]
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sign(operation: int, argument: int) -> str | None:
    if operation == _NEW_OPERATION:
        return _NEW_OPERATIONS.get(argument)
    return _OLD_OPERATIONS.get(operation)


def _combined(sign: str, left: _Line, right: _Line) -> _Line | None:
    if sign == "+":
        return _Line(left.scale + right.scale, left.offset + right.offset)
    if sign == "-":
        return _Line(left.scale - right.scale, left.offset - right.offset)
    if sign == "*" and not left.scale:
        left, right = right, left
    if right.scale or (sign == "/" and not right.offset):
        return None
    factor = 1 / right.offset if sign == "/" else right.offset
    return _Line(left.scale * factor, left.offset * factor)
