"""Converter setups for float16 weights, int8 weights, and full int8 calibrated piece by piece."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from edgeseg.inference.banded import band_of
from edgeseg.network.graph import Graph
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.recipe import Precision
from edgeseg_converters.keras.quiet import import_tensorflow
from edgeseg_converters.tflite.chain import LiveTensors, stages
from edgeseg_converters.tflite.export import Compiled, ConverterSetup


def float16(converter: Any, _: Graph) -> None:
    """Store weights as float16; half the file, computed in float32."""
    tensorflow = import_tensorflow()
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tensorflow.float16]


def dynamic(converter: Any, _: Graph) -> None:
    """Store weights as int8 and quantize activations while running."""
    converter.optimizations = [import_tensorflow().lite.Optimize.DEFAULT]


SETUPS: Mapping[str, ConverterSetup] = {"float16": float16, "dynamic": dynamic}
"""Precisions that need no calibration."""


def int8(entering: Sequence[LiveTensors], piece: Compiled) -> ConverterSetup:
    """Compute in int8 throughout, inputs and outputs too.

    Parameters
    ----------
    entering
        Float tensors that reach the piece, one mapping a calibration slice.
    piece
        The piece in float32.
    """
    return partial(_int8, entering, piece)


def sparse(setup: ConverterSetup | None) -> ConverterSetup:
    """Store kernels with many zeros in TFLite's sparse encoding, besides what a setup does.

    Too few zeros leave a kernel as it is. LiteRT makes the weights dense again when it loads them.
    """
    return partial(_sparse, setup)


def converter_setups(
    precisions: Sequence[Precision], exact: Sequence[Compiled], images: Sequence[ModelInput]
) -> Iterator[ConverterSetup | None]:
    """Yield for each piece what brings it to its precision; None leaves it in float32.

    Parameters
    ----------
    exact
        The pieces in float32: what they hand on calibrates int8.
    images
        Slices to calibrate on.
    """
    if "int8" not in precisions:
        yield from map(SETUPS.get, precisions)
        return
    # There is one stage more than pieces: what leaves the last one.
    for precision, piece, entering in zip(precisions, exact, stages(exact, images), strict=False):
        yield int8(entering, piece) if precision == "int8" else SETUPS.get(precision)


def _int8(entering: Sequence[LiveTensors], piece: Compiled, converter: Any, _: Graph) -> None:
    tensorflow = import_tensorflow()
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tensorflow.int8
    converter.inference_output_type = tensorflow.int8
    converter.representative_dataset = partial(_samples, entering, piece)


def _sparse(setup: ConverterSetup | None, converter: Any, graph: Graph) -> None:
    if setup is not None:
        setup(converter, graph)
    sparsity = import_tensorflow().lite.Optimize.EXPERIMENTAL_SPARSITY
    converter.optimizations = [*converter.optimizations, sparsity]


def _samples(entering: Sequence[LiveTensors], piece: Compiled) -> Iterator[list[Any]]:
    """Yield what each run of the file reads, in every slice."""
    for alive in entering:
        arrays = [alive[port.tensor].at(port) for port in piece.inputs]
        for run in range(piece.runs):
            yield arrays if piece.bands is None else list(band_of(piece.bands, run, arrays))
