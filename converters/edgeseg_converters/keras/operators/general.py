"""Parts of the kind ``Operator``, for functions that no layer of Keras stands for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeseg_converters.keras.operators.call import array_of
from edgeseg_converters.keras.parts import Arrays, Operand, Part


def operator(
    function: str, operands: Sequence[Any], options: Mapping[str, Any] | None = None
) -> Part:
    """Return the part that applies a function to tensors and constants.

    Parameters
    ----------
    function
        One of those of :mod:`edgeseg_converters.keras.operator_layer`.
    operands
        Operands, numbers and arrays, in the order that the function takes them.
    options
        What it is told besides.
    """
    inputs: list[str] = []
    constants: list[Any] = []
    known: list[dict[str, Any]] = []
    for value in operands:
        if isinstance(value, Operand):
            known.append({"input": len(inputs)})
            inputs.append(value.name)
            continue
        array = array_of(value)
        if array.size == 1:
            known.append({"number": float(array.reshape(()))})
        else:
            known.append({"constant": list(array.shape)})
            constants.append(array)
    settings = {"function": function, "operands": known, "options": dict(options or {})}
    weights: Arrays = tuple(np.asarray(array, np.float32) for array in constants)
    return Part("Operator", settings, tuple(inputs), weights)
