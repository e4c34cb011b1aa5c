"""The table of operators that can be compiled, and how each is translated."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from edgeseg_converters.keras.operators import arithmetic, extents, functions, known
from edgeseg_converters.keras.operators.call import OperatorCall
from edgeseg_converters.keras.parts import Outcome

_Translator: TypeAlias = Callable[[OperatorCall], Outcome | tuple[Outcome, ...] | None]

_TRANSLATORS: Mapping[str, _Translator] = {
    **dict.fromkeys(functions.ACTIVATIONS, functions.activation),
    **dict.fromkeys(functions.UNARY, functions.unary),
    **dict.fromkeys(functions.REDUCED, functions.reduction),
    **dict.fromkeys(
        ["add", "divide", "floordivide", "maximum", "minimum", "mod", "multiply", "power"],
        arithmetic.merge,
    ),
    **dict.fromkeys(functions.COMPARISONS, functions.comparison),
    "averagepool": extents.pool,
    "broadcastto": extents.broadcast_to,
    "cast": known.cast,
    "celu": functions.celu,
    "clip": functions.clip,
    "concatenate": extents.concatenate,
    "converttotensor": known.handed_on,
    "copy": known.handed_on,
    "depthtospace": extents.depth_to_space,
    "einsum": arithmetic.einsum,
    "elu": functions.elu,
    "ensureshape": known.handed_on,
    "expanddims": extents.expand_dims,
    "extractimagepatches": extents.patches,
    "extractpatches": extents.patches,
    "flatten": extents.flatten,
    "flip": extents.flip,
    "gather": extents.take,
    "gelu": functions.gelu,
    "getitem": extents.get_item,
    "identity": known.handed_on,
    "l2normalize": functions.l2_normalize,
    "leakyrelu": functions.leaky_relu,
    "logsoftmax": functions.log_softmax,
    "matmul": arithmetic.matmul,
    "maxpool": extents.pool,
    "moments": functions.moments,
    "moveaxis": extents.transpose,
    "negative": arithmetic.negative,
    "normalize": functions.l2_normalize,
    "pad": extents.pad,
    "relu": functions.relu,
    "repeat": extents.repeat,
    "reshape": extents.reshape,
    "resize": extents.resize,
    "roll": extents.flip,
    "shape": known.shape_of,
    "shapev2": known.shape_of,
    "slice": extents.slice_from,
    "softmax": functions.softmax,
    "spacetodepth": extents.depth_to_space,
    "split": extents.split,
    "squareddifference": arithmetic.squared_difference,
    "squeeze": extents.squeeze,
    "stack": extents.stack,
    "stopgradient": known.handed_on,
    "subtract": arithmetic.merge,
    "swapaxes": extents.transpose,
    "take": extents.take,
    "tile": extents.tile,
    "transpose": extents.transpose,
    "unstack": extents.unstack,
    "where": functions.where,
    "wherev2": functions.where,
}

_SEVERAL = frozenset({"moments", "split", "unstack"})

_WAYS_OUT = {
    "argmax": "leave it off, a mask is made of the probabilities,",
    "conv": "use a Conv2D layer",
    "depthwiseconv": "use a DepthwiseConv2D layer",
    "dropout": "use a Dropout layer",
    "layernormalization": "use a LayerNormalization layer",
    "resize": "use a Resizing or an UpSampling2D layer without antialias",
    "resizebilinear": "use an UpSampling2D layer with interpolation='bilinear'",
    "resizenearestneighbor": "use an UpSampling2D layer",
}


def translate(call: OperatorCall) -> tuple[Outcome, ...] | None:
    """Translate an operator into layers; an outcome for each of its outputs, None if it can't be.

    Parameters
    ----------
    call
        What is called, on tensors of known shapes.
    """
    if not call.operands:
        folded = known.fold(call)
        return None if folded is None else (folded,)
    translator = _TRANSLATORS.get(call.function)
    outcome = None if translator is None else translator(call)
    if outcome is None:
        return None
    if call.function in _SEVERAL:
        return outcome  # type: ignore[return-value] # one for each output
    return (outcome,)  # type: ignore[return-value] # the only one


def way_out(call: OperatorCall) -> str:
    """Say what to do about an operator that can't be translated."""
    default = "use the Keras layer that does the same"
    return f"{_WAYS_OUT.get(call.function, default)} and save the model again"
