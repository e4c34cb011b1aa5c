"""Functions of one tensor, value by value, and reductions along its axes."""

from edgeseg_converters.keras.operators.call import OperatorCall, array_of, integers, number_of
from edgeseg_converters.keras.operators.general import operator
from edgeseg_converters.keras.parts import Operand, Outcome, Part
from edgeseg_converters.layers.operators import OF_ONE_VALUE, REDUCTIONS

ACTIVATIONS = {
    "hardshrink": "hard_shrink",
    "hardsigmoid": "hard_sigmoid",
    "hardsilu": "hard_silu",
    "hardtanh": "hard_tanh",
    "logsigmoid": "log_sigmoid",
    "mish": "mish",
    "relu6": "relu6",
    "selu": "selu",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "softplus": "softplus",
    "softshrink": "soft_shrink",
    "softsign": "softsign",
    "sparseplus": "sparse_plus",
    "sparsesigmoid": "sparse_sigmoid",
    "squareplus": "squareplus",
    "tanh": "tanh",
    "tanhshrink": "tanh_shrink",
}
"""Activations of Keras by the names of the operators."""

UNARY = {name.replace("_", ""): name for name in OF_ONE_VALUE}
"""Functions of one value by the names of the operators."""

_DEFAULTS = {"beta": 1.0, "b": 4.0}
_IMAGE_RANK, _ROWS_AND_COLUMNS = 4, [1, 2]


def activation(call: OperatorCall) -> Outcome | None:
    """Translate an activation that has no settings."""
    threshold = call.get("threshold")
    if any(call.get(name, default=value) != value for name, value in _DEFAULTS.items()):
        return None
    if threshold is not None and threshold != _ROOT_OF_SHRINKING:
        return None
    return (Part("Activation", {"activation": ACTIVATIONS[call.function]}),)


_ROOT_OF_SHRINKING = 0.5
"""Threshold of ``hard_shrink`` and ``soft_shrink`` where none is given."""


def relu(call: OperatorCall) -> Outcome:
    """Translate ``relu`` with its settings, if any."""
    slope = call.get("negative_slope", "alpha", default=0.0)
    top, threshold = call.get("max_value"), call.get("threshold", default=0.0)
    if (slope, top, threshold) == (0.0, None, 0.0) and "max_value" not in call.arguments:
        return (Part("Activation", {"activation": "relu"}),)
    settings = {"max_value": top, "negative_slope": slope, "threshold": threshold}
    return (Part("ReLU", settings),)


def leaky_relu(call: OperatorCall) -> Outcome:
    """Translate ``leaky_relu``."""
    slope = call.get("negative_slope", "alpha", default=0.2)
    return (Part("LeakyReLU", {"negative_slope": slope}),)


def elu(call: OperatorCall) -> Outcome:
    """Translate ``elu``."""
    return (Part("ELU", {"alpha": call.get("alpha", default=1.0)}),)


def celu(call: OperatorCall) -> Outcome | None:
    """Translate ``celu``."""
    plain = call.get("alpha", default=1.0) == 1
    return (Part("Activation", {"activation": "celu"}),) if plain else None


def gelu(call: OperatorCall) -> Outcome:
    """Translate ``gelu``, exact or by ``tanh``."""
    if call.get("approximate", default=False):
        return (operator("gelu_tanh", call.operands[:1]),)
    return (Part("Activation", {"activation": "gelu"}),)


def softmax(call: OperatorCall) -> Outcome:
    """Translate ``softmax``."""
    return (Part("Softmax", {"axis": call.get("axis", "dim", default=-1)}),)


def log_softmax(call: OperatorCall) -> Outcome:
    """Translate ``log_softmax``."""
    (tensor, *_) = call.operands
    axis = int(call.get("axis", default=-1)) % tensor.rank
    return (operator("log_softmax", (tensor,), {"axis": axis}),)


def clip(call: OperatorCall) -> Outcome | None:
    """Translate ``clip``."""
    low, high = (
        number_of(call.get(*names))
        for names in (("x_min", "clip_value_min"), ("x_max", "clip_value_max"))
    )
    if low is None or high is None:
        return None
    if low == 0 < high:
        return (Part("ReLU", {"max_value": high, "negative_slope": 0.0, "threshold": 0.0}),)
    return (operator("clip", call.operands[:1], {"low": low, "high": high}),)


def unary(call: OperatorCall) -> Outcome | None:
    """Translate a function of one value."""
    operands = call.operands
    return (operator(UNARY[call.function], operands),) if len(operands) == 1 else None


def reduction(call: OperatorCall) -> Outcome | None:
    """Translate a mean, maximum, ... along axes, but for the batch's."""
    (tensor, *others) = call.operands
    axes = axes_of(call, tensor)
    if axes is None or others:
        return None
    return _reduced(call.function, tensor, axes, keepdims=keeps(call))


def moments(call: OperatorCall) -> tuple[Outcome, ...] | None:
    """Translate mean and variance in one function."""
    (tensor, *_) = call.operands
    axes = axes_of(call, tensor)
    if axes is None:
        return None
    return tuple(_reduced(name, tensor, axes, keepdims=keeps(call)) for name in ("mean", "var"))


def l2_normalize(call: OperatorCall) -> Outcome | None:
    """Translate a division by the Euclidean length."""
    (tensor, *_) = call.operands
    axes = axes_of(call, tensor)
    if axes is None or call.get("order", "ord", default=2) != 2:
        return None
    epsilon = number_of(call.get("epsilon", default=1e-12))
    return (operator("l2_normalize", (tensor,), {"axes": axes, "epsilon": epsilon}),)


def axes_of(call: OperatorCall, tensor: Operand) -> list[int] | None:
    """Return the axes that are told, counted from the first; None where the batch's is one."""
    axes = integers(call.get("axis", "axes", "reduction_indices"))
    if not axes or any(axis % tensor.rank == 0 for axis in axes):
        return None
    return sorted(axis % tensor.rank for axis in axes)


def keeps(call: OperatorCall) -> bool:
    """Tell whether the axes that are reduced stay, of extent one."""
    return bool(call.get("keepdims", "keep_dims", default=False))


def _reduced(function: str, tensor: Operand, axes: list[int], *, keepdims: bool) -> Outcome:
    pooled = {"mean": "GlobalAveragePooling2D", "max": "GlobalMaxPooling2D"}.get(function)
    if pooled and tensor.rank == _IMAGE_RANK and axes == _ROWS_AND_COLUMNS:
        return (Part(pooled, {"keepdims": keepdims}),)
    return (operator(function, (tensor,), {"axes": axes, "keepdims": keepdims}),)


REDUCED = frozenset(REDUCTIONS)
"""Reductions by the names of the operators."""

COMPARISONS = {
    "equal": "equal",
    "greater": "greater",
    "greaterequal": "greater_equal",
    "less": "less",
    "lessequal": "less_equal",
    "notequal": "not_equal",
}
"""Comparisons by the names of the operators."""


def comparison(call: OperatorCall) -> Outcome | None:
    """Translate a comparison of two operands."""
    left, right = call.values[:2]
    if not all(isinstance(v, Operand) or array_of(v) is not None for v in (left, right)):
        return None
    return (operator(COMPARISONS[call.function], (left, right)),)


def where(call: OperatorCall) -> Outcome | None:
    """Translate a choice between two operands by a comparison."""
    values = call.values[:3]
    chosen = all(isinstance(v, Operand) or array_of(v) is not None for v in values)
    if not chosen or not isinstance(values[0], Operand):
        return None
    return (operator("where", values),)
