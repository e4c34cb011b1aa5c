"""The record of a layer kind: what the compiler knows of it, a required field an aspect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.layers.products import nothing
from edgeseg_converters.layers.rows import RowMap

RowFlow: TypeAlias = Callable[[Mapping[str, Any], int, int], RowMap | str]
"""Takes settings and the rows of input and output; a string says why rows can't be divided."""


class Fusion(Enum):
    """Which part a layer plays in an operation that TFLite fuses of several layers."""

    PADDING = "padding before a convolution"
    CONVOLUTION = "convolution"
    SCALING = "factor and summand folded into a convolution"
    ACTIVATION = "activation behind any operation"
    NONE = "no part"


class ChannelFlow(Enum):
    """How the channels that leave a layer, along the last axis, depend on those that enter."""

    MADE = "filters make each of all that enter"
    KEPT = "each depends on the same channel alone"
    NORMALIZED = "in the same order; settings say whether they depend on each other"
    MERGED = "each depends on the same channel of every input"
    JOINED = "the inputs' side by side, or merged where another axis is joined"
    MOVED = "values change places with other axes"
    MIXED = "they can't be followed"


class KernelLayout(Enum):
    """What the axes of a layer's kernel mean."""

    NONE = "no kernel"
    SLIDING = "(rows, columns, in, out)"
    TRANSPOSED = "(rows, columns, out, in), spread over the output"
    DEPTHWISE = "(rows, columns, in, multiplier)"
    SEPARABLE = "depth-wise, then point-wise (1, 1, in * multiplier, out)"
    MATRIX = "(in, out)"
    WINOGRAD = "four of (3, 1, in, out)"
    LINE = "(places, in, out)"
    PROJECTION = "the axes of an Einstein sum; several where there are heads"

    @property
    def slides(self) -> bool:
        """Whether the kernel slides over an image that may be padded."""
        return self in {
            KernelLayout.SLIDING,
            KernelLayout.DEPTHWISE,
            KernelLayout.SEPARABLE,
            KernelLayout.WINOGRAD,
        }

    @property
    def input_axis(self) -> int:
        """Axis of a kernel that counts input channels."""
        return -1 if self is KernelLayout.TRANSPOSED else -2


class ActivationOf(Enum):
    """Where the activation that a layer's output has gone through is written."""

    SETTING = "the layer's setting; linear without one"
    INPUT = "the layer before: values are moved or chosen, not changed"


@dataclass(frozen=True)
class Keras2Names:
    """How tf_keras, on which fine-tuning works, calls what Keras 3 calls otherwise.

    Attributes
    ----------
    settings, variables
        Names in tf_keras by those in Keras 3, where they differ.
    folds_norm
        Whether tensorflow-model-optimization quantizes a batch norm behind the layer with it.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    folds_norm: bool = False


@dataclass(frozen=True)
class CostRule:
    """How operations of a layer are counted.

    Attributes
    ----------
    on_input_grid
        Whether the kernel is applied at the positions of the input, not of the output.
    outputs_at_once
        Output positions that one application of the kernel makes.
    profiler_extras
        Operations that TensorFlow's profiler counts beside those of kernel, bias and activation.
    products
        Multiply-accumulates beside those of kernels.
    """

    on_input_grid: bool
    outputs_at_once: int
    profiler_extras: Callable[[Graph, Layer], int]
    products: Callable[[Graph, Layer], int] = nothing


@dataclass(frozen=True, kw_only=True)
class LayerKind:
    """A kind of layer; to forget an aspect is a ``TypeError``.

    Attributes
    ----------
    name
        Name of the Keras class, as ``Layer.kind`` has it.
    settings
        Arguments of the class that inference depends on; ``Layer.config`` holds just these.
    keras_class
        Returns the class; None where ``keras.layers`` has it under the name.
    keras_2
        Names in tf_keras; None where it has no such layer, which then can't be fine-tuned.
    fusion
        Part in a fused operation of TFLite.
    rows
        How rows of the output depend on rows of the input.
    channels
        How channels of the output depend on those of the input.
    binds_channels
        Says of a layer why, with its settings, its channels depend on each other; None if not.
    resized
        Settings of a layer for another number of output channels.
    kernel
        Layout of its kernels. Any kernel may be pruned; those that can be written as a matrix are
        rounded and refitted too.
    divisible
        Whether a layer may be divided over branches by its channels.
    batch_statistics
        Whether its last two arrays are a moving mean and a moving variance.
    activation
        Activation that its output has gone through: its name, or where it is written.
    cost
        How its operations are counted.
    """

    name: str
    settings: tuple[str, ...]
    keras_class: Callable[[], Any] | None
    keras_2: Keras2Names | None
    fusion: Fusion
    rows: RowFlow
    channels: ChannelFlow
    binds_channels: Callable[[Layer], str | None]
    resized: Callable[[Layer, int], dict[str, Any]]
    kernel: KernelLayout
    divisible: bool
    batch_statistics: bool
    activation: ActivationOf | str
    cost: CostRule
