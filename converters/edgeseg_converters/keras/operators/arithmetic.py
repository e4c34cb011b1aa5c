"""Arithmetic of two tensors, or of a tensor and a constant."""

from typing import Any

import numpy as np

from edgeseg_converters.keras.operators.call import OperatorCall, array_of, number_of
from edgeseg_converters.keras.operators.general import operator
from edgeseg_converters.keras.parts import Operand, Outcome, Part, rescaling

_MERGES = {
    "add": "Add",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "multiply": "Multiply",
    "subtract": "Subtract",
}
_SQUARED, _ROOT = 2.0, 0.5
_PAIR = 2


def merge(call: OperatorCall) -> Outcome | None:
    """Translate a sum, product, difference, quotient, power or extreme of two operands or more."""
    values = call.values
    if len(call.operands) > _PAIR and call.function == "add":
        return (Part("Add", {}, tuple(operand.name for operand in call.operands)),)
    left, right = values[:_PAIR]
    if isinstance(left, Operand) and isinstance(right, Operand):
        return _of_tensors(call.function, left, right)
    tensor, constant = (left, right) if isinstance(left, Operand) else (right, left)
    array = array_of(constant)
    if not isinstance(tensor, Operand) or array is None:
        return None
    return _with_constant(call.function, tensor, array, tensor_first=tensor is left)


def _of_tensors(function: str, left: Operand, right: Operand) -> Outcome:
    kind = _MERGES.get(function)
    if kind is not None and left.rank == right.rank:
        return (Part(kind, {}, (left.name, right.name)),)
    return (operator(_name(function), (left, right)),)


def _name(function: str) -> str:
    return {"floordivide": "floor_divide"}.get(function, function)


def _with_constant(
    function: str, tensor: Operand, constant: Any, *, tensor_first: bool
) -> Outcome | None:
    scaled = _scaled(function, constant, tensor_first=tensor_first)
    if scaled is not None and _is_by_channel(tensor, constant):
        return (rescaling(*scaled),)
    number = number_of(constant)
    if function == "power" and tensor_first and number in {_SQUARED, _ROOT}:
        return (operator("square" if number == _SQUARED else "sqrt", (tensor,)),)
    if function == "maximum" and number == 0:
        return (Part("Activation", {"activation": "relu"}),)
    operands = (tensor, constant) if tensor_first else (constant, tensor)
    return (operator(_name(function), operands),)


def _is_by_channel(tensor: Operand, constant: Any) -> bool:
    """Tell whether a constant is one number, or one for each channel."""
    if constant.size == 1:
        return bool(constant.ndim <= tensor.rank)
    shape = constant.shape
    return shape[-1] == constant.size == tensor.shape[-1] and len(shape) <= tensor.rank


def _scaled(function: str, constant: Any, *, tensor_first: bool) -> tuple[Any, Any] | None:
    """Express ``x * c``, ``x + c``, ``x - c``, ``c - x`` and ``x / c`` as scale and offset."""
    match function:
        case "multiply":
            return constant, 0.0
        case "add":
            return 1.0, constant
        case "subtract":
            return (1.0, -constant) if tensor_first else (-1.0, constant)
        case "divide" if tensor_first and np.all(constant):
            return 1 / constant.astype(np.float64), 0.0
    return None


def negative(_: OperatorCall) -> Outcome:
    """Translate ``-x``."""
    return (rescaling(-1.0, 0.0),)


def squared_difference(call: OperatorCall) -> Outcome | None:
    """Translate ``(a - b) ** 2`` in one function."""
    left, right = call.values[:_PAIR]
    if not (isinstance(left, Operand) and isinstance(right, Operand)):
        return None
    difference = operator("subtract", (left, right))
    return difference, Part(
        "Operator", {"function": "square", "operands": [{"input": 0}], "options": {}}
    )


def matmul(call: OperatorCall) -> Outcome | None:
    """Translate a product of matrices."""
    if any(call.get(name) for name in ("adjoint_a", "adjoint_b", "adj_x", "adj_y")):
        return None
    left, right = call.values[:_PAIR]
    if not all(isinstance(v, Operand) or array_of(v) is not None for v in (left, right)):
        return None
    turned = [bool(call.get(f"transpose_{side}", default=False)) for side in "ab"]
    return (operator("matmul", (left, right), {"turned": turned}),)


def einsum(call: OperatorCall) -> Outcome | None:
    """Translate a sum of products in Einstein's notation."""
    equation = call.get("subscripts", "equation")
    operands = [value for value in call.arguments.values() if not isinstance(value, str)]
    values = [
        item
        for value in operands
        for item in (value if isinstance(value, list | tuple) else [value])
        if isinstance(item, Operand) or array_of(item) is not None
    ]
    if not isinstance(equation, str) or len(values) != equation.count(",") + 1:
        return None
    return (operator("einsum", values, {"equation": equation}),)
