"""Run as ``probe_recipe.py FILE``: the piece that ``edgeseg doctor`` times, or a longer one.

Four 3x3 convolutions of eight channels share one kernel that takes the mean of what it sees:
ones come out as ones. Written with the schema that ai-edge-litert brings.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

LAYERS, CHANNELS, SIDE, KERNEL = 4, 8, 128, 3


def probe_bytes(layers: int = LAYERS, channels: int = CHANNELS, side: int = SIDE) -> bytes:
    """Return the TFLite file."""
    sides = [side - number * (KERNEL - 1) for number in range(layers + 1)]
    shape = (channels, KERNEL, KERNEL, channels)
    kernel = np.full(shape, 1 / (KERNEL * KERNEL * channels), "<f4")
    bias = np.zeros(channels, "<f4")
    activations = [_tensor(f"t{n}", (1, s, s, channels), 0) for n, s in enumerate(sides)]
    constants = [_tensor("kernel", kernel.shape, 1), _tensor("bias", bias.shape, 2)]
    graph = schema.SubGraphT()
    graph.tensors = [*activations, *constants]
    graph.inputs, graph.outputs = [0], [layers]
    graph.operators = [_convolution([n, layers + 1, layers + 2], n + 1) for n in range(layers)]
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [_code(schema.BuiltinOperator.CONV_2D)]
    model.subgraphs = [graph]
    model.buffers = [schema.BufferT(), _buffer(kernel), _buffer(bias)]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _code(operator: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = 1
    return code


def _tensor(name: str, shape: Sequence[int], buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def _buffer(values: NDArray[Any]) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    return buffer


def _convolution(inputs: Sequence[int], output: int) -> Any:
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = 1
    options.dilationHFactor = options.dilationWFactor = 1
    operator = schema.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs, operator.outputs = list(inputs), [output]
    operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    operator.builtinOptions = options
    return operator


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(probe_bytes())
