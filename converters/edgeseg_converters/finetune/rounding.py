"""Training towards few values: what a model computes with is rounded, what learns is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgeseg.graph import Graph
from edgeseg_converters.finetune.keras_2 import variables_of
from edgeseg_converters.prune.kernels import is_kernel
from edgeseg_converters.quiet import import_tensorflow
from edgeseg_converters.rebuild import scope_name

_DEPTHWISE = frozenset({"DepthwiseConv2D", "SeparableConv2D"})
_TRANSPOSED = "Conv2DTranspose"


@dataclass(frozen=True)
class Rounded:
    """A kernel in use, and the one that learns from its gradients (straight-through estimator).

    Each output channel, counted by ``axis``, takes ``levels`` evenly spaced values, from its
    largest magnitude to the negative of that, zero among them. int8 has 255 of them there, so
    fewer cost it nothing more, but take fewer bits once compressed. Source: Bengio et al. 2013,
    "Estimating or Propagating Gradients Through Stochastic Neurons", arXiv:1308.3432, section 4.
    """

    kernel: Any
    full: Any
    axis: int
    levels: int

    def round(self) -> None:
        """Take over what was learnt."""
        tensorflow = import_tensorflow()
        others = [axis for axis in range(len(self.full.shape)) if axis != self.axis]
        largest = tensorflow.reduce_max(tensorflow.abs(self.full), others, keepdims=True)
        step = tensorflow.where(largest > 0, largest / (self.levels // 2), 1.0)
        self.kernel.assign(tensorflow.round(self.full / step) * step)


def rounded_kernels(student: Any, graph: Graph, levels: int) -> Iterator[Rounded]:
    """Yield the kernels of a tf_keras model of the graph to be rounded.

    Depth-wise ones are left alone: a channel of theirs has but nine weights.
    """
    variable = import_tensorflow().Variable
    variables = variables_of(student)
    for layer in graph.layers:
        for spec in filter(is_kernel, layer.weights):
            if layer.kind not in _DEPTHWISE or spec.name == "pointwise_kernel":
                kernel = variables[scope_name(layer.name)][spec.name]
                axis = len(spec.shape) - (2 if layer.kind == _TRANSPOSED else 1)
                yield Rounded(kernel, variable(kernel), axis, levels)
