"""Chooses one of several outputs of a model, such as those of deep supervision."""

from typing import Any

from edgeseg.errors import ModelError, UsageError, field_name
from edgeseg_converters.keras.generations import graph_of, is_keras_2, maker_of
from edgeseg_converters.keras.quiet import import_keras, import_tf_keras, quiet

_FIELD = "model_output"
_NAMED = 8
"""Most outputs that a message lists."""


def choose_output(model: Any, output: int | str | None) -> Any:
    """Return a model of one output; layers that only feed the others are left out.

    Parameters
    ----------
    model
        A Keras 3 or tf_keras model.
    output
        The number of an output, from 0, or its name; None where there is one.

    Raises
    ------
    UsageError
        If there is no such output.
    ModelError
        If there are several and none is chosen.
    """
    functional = graph_of(model)
    if functional is None:
        return model
    outputs, names = list(functional.outputs), _names(functional)
    if output is None:
        if len(outputs) > 1:
            raise ModelError(
                f"the model has {len(outputs)} outputs, one is needed: {_listed(functional)}; say "
                f"which one segments with {field_name(_FIELD)} NAME or N"
            )
        return model
    index = _index(output, names, functional)
    if len(outputs) == 1:
        return model
    keras = import_tf_keras() if is_keras_2(functional) else import_keras()
    inputs = list(functional.inputs)
    with quiet():
        return keras.Model(
            inputs[0] if len(inputs) == 1 else inputs, outputs[index], name=str(model.name)
        )


def _index(output: int | str, names: list[str], functional: Any) -> int:
    if isinstance(output, str) and names.count(output) == 1:
        return names.index(output)
    if isinstance(output, int) and 0 <= output < len(names):
        return output
    why = "bears several times" if output in names else "has not"
    raise UsageError(
        f"{field_name(_FIELD)} is {output}, which the model {why}; its outputs are "
        f"{_listed(functional)}"
    )


def _names(functional: Any) -> list[str]:
    """Return the outputs' names as Keras has them, or else those of the layers that make them."""
    makers = [str(maker_of(tensor).name) for tensor in functional.outputs]
    names = list(getattr(functional, "output_names", None) or ())
    return list(map(str, names)) if len(names) == len(makers) else makers


def _listed(functional: Any) -> str:
    """List the outputs with numbers, names and shapes."""
    lines = [
        f"{number} {name} ({'x'.join(map(str, tuple(tensor.shape)[1:]))})"
        for number, (name, tensor) in enumerate(
            zip(_names(functional), functional.outputs, strict=True)
        )
    ]
    return ", ".join(lines[:_NAMED] + (["..."] if len(lines) > _NAMED else []))
