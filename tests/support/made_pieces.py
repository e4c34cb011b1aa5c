"""TFLite files written field by field: sound, crashing, endless and hungry ones, of one image."""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SIDE = 16
IMAGE = (1, SIDE, SIDE, 1)

_FLOAT, _BOOL, _INT32 = schema.TensorType.FLOAT32, schema.TensorType.BOOL, schema.TensorType.INT32
_OPERATORS = schema.BuiltinOperator


def sound_piece(seed: int = 0) -> bytes:
    """Return a piece that adds a number to an image and takes the sigmoid."""
    model = _Model()
    image, number = model.tensor(IMAGE), model.tensor((1,), data=np.float32([seed]))
    total, output = model.tensor(IMAGE), model.tensor(IMAGE)
    model.operator(_OPERATORS.ADD, [image, number], [total], schema.AddOptionsT(), "AddOptions")
    model.operator(_OPERATORS.LOGISTIC, [total], [output])
    return model.written([image], [output])


def crashing_piece() -> bytes:
    """Return a piece whose operator lacks its options, which LiteRT reads without a look."""
    model = _Model()
    image, output = model.tensor(IMAGE), model.tensor(IMAGE)
    model.operator(_OPERATORS.SPLIT, [image], [output])
    return model.written([image], [output])


def endless_piece() -> bytes:
    """Return a piece with a loop whose condition is always true."""
    model = _Model()
    image, output = model.tensor(IMAGE), model.tensor(IMAGE)
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    model.operator(_OPERATORS.WHILE, [image], [output], options, "WhileOptions")
    model.end_graph([image], [output])
    state = model.tensor(IMAGE)
    true = model.tensor((1,), _BOOL, np.array([True]))
    model.end_graph([state], [true])
    before, after = model.tensor(IMAGE), model.tensor(IMAGE)
    model.operator(_OPERATORS.LOGISTIC, [before], [after])
    return model.written([before], [after])


def hungry_piece(mebibytes: int) -> bytes:
    """Return a piece that spreads its image over so much memory, and takes the first of it."""
    model = _Model()
    image, output = model.tensor(IMAGE), model.tensor(IMAGE)
    copies = mebibytes * 2**20 // (4 * SIDE * SIDE)
    many = model.tensor((1, SIDE, SIDE, copies))
    times = model.tensor((4,), _INT32, np.int32([1, 1, 1, copies]))
    model.operator(_OPERATORS.TILE, [image, times], [many], schema.TileOptionsT(), "TileOptions")
    begin = model.tensor((4,), _INT32, np.zeros(4, np.int32))
    size = model.tensor((4,), _INT32, np.int32(IMAGE))
    inputs, options = [many, begin, size], schema.SliceOptionsT()
    model.operator(_OPERATORS.SLICE, inputs, [output], options, "SliceOptions")
    return model.written([image], [output])


class _Model:
    """A TFLite file in the making; what is added belongs to the graph that is still open."""

    def __init__(self) -> None:
        self._model: Any = schema.ModelT()
        self._model.version = 3
        self._model.buffers = [schema.BufferT()]
        self._model.operatorCodes = []
        self._model.subgraphs = []
        self._begin_graph()

    def tensor(self, shape: tuple[int, ...], kind: int = _FLOAT, data: Any = None) -> int:
        """Add a tensor, constant if it has data; return its number."""
        tensor: Any = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = np.int32(shape), kind, 0
        tensor.name = f"t{len(self._graph.tensors)}"
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def operator(
        self, kind: int, inputs: list[int], outputs: list[int], options: Any = None, name: str = ""
    ) -> None:
        """Add an operator."""
        code: Any = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), 1
        self._model.operatorCodes.append(code)
        operator: Any = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = np.int32(inputs), np.int32(outputs)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        self._graph.operators.append(operator)

    def end_graph(self, inputs: list[int], outputs: list[int]) -> None:
        """Say what the open graph reads and makes, and begin the next."""
        self._graph.inputs, self._graph.outputs = np.int32(inputs), np.int32(outputs)
        self._model.subgraphs.append(self._graph)
        self._begin_graph()

    def written(self, inputs: list[int], outputs: list[int]) -> bytes:
        """Return the file, whose last graph is the open one."""
        self.end_graph(inputs, outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _begin_graph(self) -> None:
        self._graph: Any = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
