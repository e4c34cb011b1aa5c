"""Lower precision: float16 weights, int8 weights, or full int8 calibrated piece by piece."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from edgeseg.graph import Graph
from edgeseg.manifest import Port
from edgeseg_converters.chain import Alive
from edgeseg_converters.export import Setup, signature_name
from edgeseg_converters.quiet import import_tensorflow


def float16(converter: Any, _: Graph) -> None:
    """Store weights as float16; half the file, computed in float32."""
    tensorflow = import_tensorflow()
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tensorflow.float16]


def dynamic(converter: Any, _: Graph) -> None:
    """Store weights as int8 and quantize activations while running."""
    converter.optimizations = [import_tensorflow().lite.Optimize.DEFAULT]


SETUPS: Mapping[str, Setup] = {"float16": float16, "dynamic": dynamic}
"""Precisions that need no calibration."""

PRECISIONS = ("none", *SETUPS, "int8")


def int8(entering: Sequence[Alive]) -> Setup:
    """Compute in int8 throughout, inputs and outputs too.

    Parameters
    ----------
    entering
        Float tensors that reach the piece, one mapping a calibration slice.
    """
    return partial(_int8, entering)


def _int8(entering: Sequence[Alive], converter: Any, graph: Graph) -> None:
    tensorflow = import_tensorflow()
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tensorflow.int8
    converter.inference_output_type = tensorflow.int8
    converter.representative_dataset = partial(_samples, entering, graph)


def _samples(entering: Sequence[Alive], graph: Graph) -> Iterator[dict[str, Any]]:
    for alive in entering:
        yield {
            signature_name("input", index): alive[tensor.name].at(Port(tensor.name, tensor.shape))
            for index, tensor in enumerate(graph.inputs)
        }
