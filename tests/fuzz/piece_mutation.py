"""TFLite files changed at random, field by field, as a careless compiler might."""

import random
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_IDENTIFIER = b"TFL3"
_NUMBERS = (-(2**31), -2, -1, 0, 1, 2, 3, 7, 64, 255, 2**16, 2**20, 2**31 - 1)
_MAX_BYTES = 2**23


def parsed(model: bytes) -> Any:
    """Return a TFLite file as an object that can be changed."""
    return schema.ModelT.InitFromPackedBuf(bytearray(model), 0)


def packed(model: Any) -> bytes:
    """Return the file of such an object."""
    builder = flatbuffers.Builder(2**16)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def mutate(model: bytes, rng: random.Random) -> bytes | None:
    """Change one to three fields of a sound file; None where what comes out can't be written."""
    changed = parsed(model)
    for _ in range(rng.randint(1, 3)):
        rng.choice((_tensor, _operator, _options, _buffer, _graph, _opcode))(changed, rng)
    try:
        data = packed(changed)
    except Exception:  # noqa: BLE001 - the writer checks little, and says so in many ways
        return None
    if rng.random() < 0.1:
        flipped = bytearray(data)
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        data = bytes(flipped)
    return data if len(data) <= _MAX_BYTES else None


def _tensor(model: Any, rng: random.Random) -> None:
    tensor = rng.choice(model.subgraphs[0].tensors)
    what = rng.randrange(5)
    if what == 0 and tensor.shape is not None and len(tensor.shape):
        shape = np.array(tensor.shape)
        shape[rng.randrange(len(shape))] = rng.choice(_NUMBERS)
        tensor.shape = shape
    elif what == 1:
        tensor.shape = np.array([rng.choice(_NUMBERS) for _ in range(rng.randrange(6))], np.int32)
    elif what == 2:
        tensor.type = rng.randrange(18)
    elif what == 3:
        tensor.buffer = rng.choice((0, 1, len(model.buffers) - 1, len(model.buffers), 2**31))
    else:
        tensor.isVariable = not tensor.isVariable


def _operator(model: Any, rng: random.Random) -> None:
    graph = model.subgraphs[0]
    operator = rng.choice(graph.operators)
    indices = np.array(rng.choice((operator.inputs, operator.outputs)))
    draw = rng.random()
    if draw < 0.2:
        graph.operators.remove(operator)
        graph.operators.insert(rng.randrange(len(graph.operators) + 1), operator)
    elif draw < 0.3:
        operator.opcodeIndex = rng.choice((*_NUMBERS[3:7], len(model.operatorCodes)))
    elif len(indices):
        indices[rng.randrange(len(indices))] = rng.choice(
            (-1, -2, rng.randrange(len(graph.tensors)), len(graph.tensors), 2**31 - 1)
        )
        if rng.random() < 0.2:
            indices = indices[:-1]
        if rng.random() < 0.5:
            operator.inputs = indices
        else:
            operator.outputs = indices


def _options(model: Any, rng: random.Random) -> None:
    operator = rng.choice(model.subgraphs[0].operators)
    options = operator.builtinOptions
    if options is None or not vars(options):
        operator.builtinOptionsType = rng.randrange(120)
        return
    field = rng.choice(sorted(vars(options)))
    if isinstance(getattr(options, field), int):
        setattr(options, field, rng.choice(_NUMBERS))


def _buffer(model: Any, rng: random.Random) -> None:
    buffer = rng.choice(model.buffers)
    if buffer.data is None or not len(buffer.data):
        buffer.data = np.frombuffer(rng.randbytes(rng.choice((1, 4, 64))), np.uint8)
        return
    data = np.array(buffer.data, np.uint8)
    if rng.random() < 0.5:
        buffer.data = data[: rng.randrange(len(data))]
    else:
        start = rng.randrange(len(data))
        noise = np.frombuffer(rng.randbytes(8), np.uint8)[: len(data) - start]
        data[start : start + len(noise)] = noise
        buffer.data = data


def _graph(model: Any, rng: random.Random) -> None:
    graph = model.subgraphs[0]
    tensors = len(graph.tensors)
    changed = [rng.choice((rng.randrange(tensors), tensors, -1)) for _ in range(rng.randrange(3))]
    if rng.random() < 0.5:
        graph.inputs = np.array(changed, np.int32)
    else:
        graph.outputs = np.array(changed, np.int32)


def _opcode(model: Any, rng: random.Random) -> None:
    code = rng.choice(model.operatorCodes)
    code.builtinCode = rng.randrange(160)
    code.deprecatedBuiltinCode = min(127, code.builtinCode)
