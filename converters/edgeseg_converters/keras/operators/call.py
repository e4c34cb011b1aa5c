"""A call of an operator: its name and what it is called with, alike in Keras 3 and tf_keras."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg_converters.keras.parts import Operand

_SYNONYMS = {
    "abs": "absolute",
    "addn": "add",
    "addv2": "add",
    "amax": "max",
    "amin": "min",
    "avgpool": "averagepool",
    "avgpool2d": "averagepool",
    "batchmatmul": "matmul",
    "batchmatmulv2": "matmul",
    "clipbyvalue": "clip",
    "concat": "concatenate",
    "concatv2": "concatenate",
    "floordiv": "floordivide",
    "hardswish": "hardsilu",
    "maxpool2d": "maxpool",
    "mul": "multiply",
    "neg": "negative",
    "pack": "stack",
    "padv2": "pad",
    "permutedims": "transpose",
    "pow": "power",
    "realdiv": "divide",
    "reducelogsumexp": "logsumexp",
    "reducemax": "max",
    "reducemean": "mean",
    "reducemin": "min",
    "reduceprod": "prod",
    "reducestd": "std",
    "reducesum": "sum",
    "reducevariance": "var",
    "reverse": "flip",
    "slicev2": "slice",
    "sub": "subtract",
    "swish": "silu",
    "truedivide": "divide",
    "truediv": "divide",
    "unpack": "unstack",
    "unstack": "unstack",
}


@dataclass(frozen=True)
class OperatorCall:
    """A call of an operator.

    Attributes
    ----------
    operator
        As the model calls it: ``Mean``, ``math.reduce_mean``.
    arguments
        What it is called with, by name; tensors are operands.
    """

    operator: str
    arguments: Mapping[str, Any]

    @property
    def function(self) -> str:
        """Its name without folders, capitals and underscores; one for all that do the same."""
        name = self.operator.rsplit(".", maxsplit=1)[-1].lower().replace("_", "")
        return _SYNONYMS.get(name, name)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The tensors that it reads, in the order they stand in."""
        return tuple(operands_in(self.arguments))

    @property
    def values(self) -> list[Any]:
        """Its arguments in order; where the first is a list, the items of that."""
        first, *others = self.arguments.values()
        return list(first) if isinstance(first, list | tuple) else [first, *others]

    def get(self, *names: str, default: Any = None) -> Any:
        """Return the argument that goes by the first of these names it has a value for."""
        for name in names:
            if self.arguments.get(name) is not None:
                return self.arguments[name]
        return default


def operands_in(value: Any) -> list[Operand]:
    """List the operands in nested arguments, in the order they stand in."""
    if isinstance(value, Operand):
        return [value]
    if isinstance(value, Mapping):
        return [operand for item in value.values() for operand in operands_in(item)]
    if isinstance(value, list | tuple):
        return [operand for item in value for operand in operands_in(item)]
    return []


def named_arguments(layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an operator was made and called with, by name.

    Parameters
    ----------
    layer
        An operation of Keras 3, or a layer of tf_keras that wraps a function of TensorFlow.
    args, kwargs
        What it was called with.
    """
    function = getattr(layer, "function", None)
    if function is not None:
        return _bound(function, args, kwargs)
    made_with = {
        name: getattr(layer, name)
        for name in inspect.signature(type(layer).__init__).parameters
        if name not in {"self", "name"} and hasattr(layer, name)
    }
    return {**_bound(layer.call, args, kwargs), **made_with}


def _bound(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {**{f"argument_{number}": value for number, value in enumerate(args)}, **kwargs}
    bound.apply_defaults()
    named = dict(bound.arguments)
    return {**{key: value for key, value in named.items() if key != "kwargs"}, **kwargs}


def number_of(value: Any) -> float | None:
    """Return a constant as the one number that it is, None if it is something else."""
    array = array_of(value)
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def array_of(value: Any) -> Any:
    """Return a constant as a float array, None if it is none."""
    if value is None or isinstance(value, Operand | str | bool | Mapping):
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return array.astype(np.float32) if array.dtype.kind in "fiu" else None


def integers(value: Any) -> list[int] | None:
    """Return a constant as a list of whole numbers, None if it is none."""
    try:
        array = np.asarray(value)
        return [int(item) for item in array.reshape(-1)] if array.dtype.kind in "iu" else None
    except (TypeError, ValueError):
        return None
