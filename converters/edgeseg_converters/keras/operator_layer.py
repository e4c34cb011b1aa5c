"""A function of tensors that no layer of Keras stands for, as a Keras layer."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, TypeAlias

from edgeseg_converters.keras.quiet import import_keras, import_tensorflow
from edgeseg_converters.layers.operators import COMPARISONS, ELEMENTWISE, REDUCTIONS

Options: TypeAlias = Mapping[str, Any]
Function: TypeAlias = Callable[[Sequence[Any], Options], Any]

_HALF = 0.5
_ERF_FACTORS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


@cache
def operator_layer() -> Any:
    """Return the class of the layer.

    Its settings are the name of a function below, what is known of each of its operands (an
    input by its number, a constant by its shape, or a number), and options. Its weights are the
    constants.
    """
    keras = import_keras()

    class Operator(keras.layers.Layer):  # type: ignore[misc, name-defined] # Keras is untyped
        def __init__(
            self,
            function: str,
            operands: Sequence[Mapping[str, Any]],
            options: Options,
            **settings: Any,
        ) -> None:
            super().__init__(**settings)
            self._function = _functions()[function]
            self._known, self._options = tuple(map(dict, operands)), dict(options)

        def build(self, _: Any) -> None:
            shapes = [known["constant"] for known in self._known if "constant" in known]
            self._constants = [
                self.add_weight(tuple(shape), name=f"constant_{number}", initializer="zeros")
                for number, shape in enumerate(shapes)
            ]

        def call(self, inputs: Any) -> Any:
            read = inputs if isinstance(inputs, list | tuple) else [inputs]
            constants = iter(self._constants)
            operands = []
            for known in self._known:
                if "input" in known:
                    operands.append(read[known["input"]])
                elif "constant" in known:
                    operands.append(keras.ops.convert_to_tensor(next(constants)))
                else:
                    operands.append(known["number"])
            return self._function(operands, self._options)

    return Operator


@cache
def _functions() -> Mapping[str, Function]:
    """Return every function by its name."""
    ops = import_keras().ops
    names = ELEMENTWISE - COMPARISONS - {"clip", "erf", "gelu_tanh", "reciprocal", "where"}
    return {
        **{name: partial(_elementwise, getattr(ops, name)) for name in names},
        **{name: partial(_compared, getattr(ops, name)) for name in COMPARISONS},
        **{name: partial(_reduced, getattr(ops, name)) for name in REDUCTIONS},
        "broadcast_to": lambda x, o: ops.broadcast_to(x[0], o["shape"]),
        "clip": lambda x, o: ops.clip(x[0], o["low"], o["high"]),
        "concatenate": lambda x, o: ops.concatenate(list(x), axis=o["axis"]),
        "einsum": lambda x, o: ops.einsum(o["equation"], *x),
        "erf": _erf,
        "flip": lambda x, o: ops.flip(x[0], axis=o["axes"]),
        "gelu_tanh": lambda x, _: ops.gelu(x[0], approximate=True),
        "l2_normalize": _l2_normalize,
        "log_softmax": lambda x, o: ops.log_softmax(x[0], axis=o["axis"]),
        "matmul": _matmul,
        "pad": _pad,
        "patches": _patches,
        "reciprocal": lambda x, _: 1.0 / x[0],
        "repeat": lambda x, o: ops.repeat(x[0], o["repeats"], axis=o["axis"]),
        "reshape": lambda x, o: ops.reshape(x[0], o["shape"]),
        "roll": lambda x, o: ops.roll(x[0], o["shift"], axis=o["axis"]),
        "slice": lambda x, o: x[0][tuple(map(_slice, o["key"]))],
        "softmax": lambda x, o: ops.softmax(x[0], axis=o["axis"]),
        "space_to_depth": _space_to_depth,
        "stack": lambda x, o: ops.stack(list(x), axis=o["axis"]),
        "take": lambda x, o: ops.take(x[0], o["indices"], axis=o["axis"]),
        "tile": lambda x, o: ops.tile(x[0], o["repeats"]),
        "where": lambda x, _: ops.where(x[0] > _HALF, x[1], x[2]),
        "transpose": lambda x, o: ops.transpose(x[0], o["axes"]),
    }


def _elementwise(function: Callable[..., Any], operands: Sequence[Any], _: Options) -> Any:
    return function(*operands)


def _compared(function: Callable[..., Any], operands: Sequence[Any], _: Options) -> Any:
    """Return floats, one where it holds: pieces hand on nothing else."""
    return import_keras().ops.cast(function(*operands), "float32")


def _reduced(function: Callable[..., Any], operands: Sequence[Any], options: Options) -> Any:
    return function(operands[0], axis=tuple(options["axes"]), keepdims=options["keepdims"])


def _slice(key: int | Sequence[int | None]) -> int | slice:
    return key if isinstance(key, int) else slice(*(key or [None]))


def _l2_normalize(operands: Sequence[Any], options: Options) -> Any:
    ops, (x,) = import_keras().ops, operands
    total = ops.sum(ops.square(x), axis=tuple(options["axes"]), keepdims=True)
    return x * ops.rsqrt(ops.maximum(total, options["epsilon"]))


def _erf(operands: Sequence[Any], _: Options) -> Any:
    """Return the error function to 2e-7, which TFLite has no operation for.

    Source: Abramowitz and Stegun 1964, "Handbook of mathematical functions", formula 7.1.26.
    """
    ops, (x,) = import_keras().ops, operands
    size = ops.absolute(x)
    share = 1.0 / (1.0 + 0.3275911 * size)
    total = 0.0
    for factor in _ERF_FACTORS:
        total = (total + factor) * share
    return ops.sign(x) * (1.0 - total * ops.exp(-ops.square(size)))


def _matmul(operands: Sequence[Any], options: Options) -> Any:
    ops = import_keras().ops
    turned = zip(operands, options["turned"], strict=True)
    return ops.matmul(*(ops.swapaxes(x, -1, -2) if turn else x for x, turn in turned))


def _pad(operands: Sequence[Any], options: Options) -> Any:
    more = {"constant_values": options["value"]} if options["mode"] == "constant" else {}
    return import_keras().ops.pad(operands[0], options["widths"], mode=options["mode"], **more)


def _patches(operands: Sequence[Any], options: Options) -> Any:
    """Put the pixels of each patch of an image side by side, without a convolution."""
    ops, (x,), (rows, columns) = import_keras().ops, operands, options["size"]
    _, height, width, channels = x.shape
    high, wide = height // rows, width // columns
    x = x[:, : high * rows, : wide * columns]
    x = ops.reshape(x, (-1, high, rows, wide, columns, channels))
    return ops.reshape(
        ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, high, wide, rows * columns * channels)
    )


def _space_to_depth(operands: Sequence[Any], options: Options) -> Any:
    return import_tensorflow().nn.space_to_depth(operands[0], options["block_size"])
