"""Operators on values that shapes alone decide, such as ``tf.shape(x)[1] // 2``."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeseg_converters.keras.operators.call import OperatorCall
from edgeseg_converters.keras.parts import Known, Operand

_BINARY: Mapping[str, Callable[..., Any]] = {
    "add": np.add,
    "floordivide": np.floor_divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "multiply": np.multiply,
    "subtract": np.subtract,
}
_UNCHANGED = frozenset({"cast", "converttotensor", "identity", "stopgradient"})


def shape_of(call: OperatorCall) -> Known | None:
    """Return the shape of a tensor."""
    operands = call.operands
    return Known(np.array(operands[0].shape)) if operands else None


def fold(call: OperatorCall) -> Known | None:
    """Compute an operator that reads no tensor; None if that is none of arithmetic on shapes."""
    values = call.values
    name = call.function
    if name in _UNCHANGED:
        return Known(values[0])
    if name in _BINARY:
        return Known(_BINARY[name](*map(np.asarray, values[:2])))
    if name in {"stack", "concatenate"}:
        items = next(v for v in call.arguments.values() if isinstance(v, list | tuple))
        return Known(np.hstack([np.asarray(item) for item in items]))
    if name == "prod":
        return Known(np.prod(np.asarray(values[0])))
    key = call.get("key", "slice_spec")
    if name == "getitem" and key is not None:
        return Known(np.asarray(values[0])[_key(key)])
    return None


def _key(key: Any) -> Any:
    items = key if isinstance(key, list | tuple) else [key]
    return tuple(
        slice(item["start"], item["stop"], item["step"]) if isinstance(item, Mapping) else item
        for item in items
    )


def handed_on(call: OperatorCall) -> Operand | None:
    """Return the tensor that an operator leaves as it is."""
    (tensor, *_) = call.operands
    return tensor


def cast(call: OperatorCall) -> Operand | None:
    """Return the tensor that is cast, if to floats of 32 bits, which it has anyway.

    So has the result of a comparison, which is one where it holds and zero elsewhere.
    """
    dtype = call.get("dtype", "Tout", "DstT")
    name = str(getattr(dtype, "name", dtype))
    return handed_on(call) if name == "float32" else None
