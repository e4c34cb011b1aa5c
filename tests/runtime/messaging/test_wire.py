"""Messages come back as they were sent; anything else is one kind of error."""

import math
import random
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifests import manifests

from edgeseg.boards.placement import Lane, Placement
from edgeseg.errors import WireError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.wire import (
    MAX_HEADER_BYTES,
    MAX_PROBE_BYTES,
    OTHER_PROTOCOL,
    Assignment,
    Bye,
    Echo,
    Failed,
    Hello,
    Job,
    Peer,
    PieceData,
    PieceRequest,
    PieceTime,
    Ping,
    Pong,
    Probe,
    Ready,
    Refused,
    SliceResult,
    StatusRequest,
    TensorData,
    TrialRequest,
    TrialResult,
    Welcome,
    decode,
    encode,
    tensor_array,
)

_INTS = st.integers(0, 2**40)
_TEXTS = st.text(max_size=20)
_SHAPES = st.lists(st.integers(1, 512), min_size=1, max_size=4).map(tuple)
_JOBS = st.builds(
    Job,
    epoch=_INTS,
    slice=_INTS,
    lane=_INTS,
    geometry=st.builds(
        SliceGeometry,
        rows=_INTS,
        cols=_INTS,
        row_mm=st.none() | st.floats(0.1, 5),
        col_mm=st.none() | st.floats(0.1, 5),
    ),
)


@st.composite
def _assignments(draw: st.DrawFn) -> Assignment:
    manifest = draw(manifests())
    names = [piece.name for piece in manifest.pieces]
    lanes = tuple(Lane(dict.fromkeys(names, board), draw(st.integers(1, 4))) for board in "ab")
    placement = Placement(lanes, {})
    boards = {"a": Peer("tcp://127.0.0.1:1"), "b": Peer("tcp://127.0.0.1:2", "k" * 40)}
    return assignment_for("b", manifest, placement, draw(_INTS), boards)


_MESSAGES: st.SearchStrategy[Any] = st.one_of(
    st.builds(Hello, session=_TEXTS, protocol=_INTS),
    st.builds(
        Welcome,
        memory_limit_bytes=_INTS,
        base_memory_bytes=_INTS,
        cores=st.integers(1, 4096),
        versions=st.dictionaries(_TEXTS, _TEXTS, max_size=3),
    ),
    _assignments(),
    st.builds(PieceRequest, epoch=_INTS, sha256=_TEXTS),
    st.builds(PieceData, epoch=_INTS, sha256=_TEXTS),
    st.builds(Ready, epoch=_INTS),
    st.builds(Refused, epoch=_INTS, reason=_TEXTS),
    st.builds(
        TensorData,
        job=_JOBS,
        tensor=_TEXTS,
        dtype=st.sampled_from(["float32", "int8", "uint8"]),
        shape=_SHAPES,
    ),
    st.builds(
        SliceResult, job=_JOBS, kind=st.sampled_from(["probabilities", "mask"]), shape=_SHAPES
    ),
    st.builds(Failed, job=_JOBS, reason=_TEXTS),
    st.builds(Ping, session=_TEXTS),
    st.builds(
        Pong,
        peak_memory_bytes=_INTS,
        sent_bytes=_INTS,
        received_bytes=_INTS,
        piece_times=st.dictionaries(
            _TEXTS,
            st.builds(PieceTime, runs=_INTS, seconds=st.floats(0, 9), busy_seconds=st.floats(0, 9)),
            max_size=3,
        ),
    ),
    st.builds(Bye, session=_TEXTS),
    st.builds(Probe, answer_bytes=st.integers(0, MAX_PROBE_BYTES)),
    st.builds(Echo, st.floats(0, 1e9)),
    st.builds(TrialRequest, epoch=_INTS, piece=_TEXTS),
    st.builds(TrialResult, epoch=_INTS, piece=_TEXTS, seconds=st.floats(0, 100)),
)


@given(_MESSAGES)
def test_every_message_comes_back(message: Any) -> None:
    header = encode(message)
    assert decode(header) == message
    assert decode(memoryview(header)) == message


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(header: bytes) -> None:
    with pytest.raises(WireError):
        decode(header)


@given(_MESSAGES, st.integers(0, 2**32))
def test_a_changed_header_is_read_or_refused(message: Any, seed: int) -> None:
    """Bytes flipped, cut off and added: never another error than one of the protocol."""
    header = bytearray(encode(message))
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        header[chance.randrange(len(header))] = chance.randrange(256)
    header = header[: chance.choice([len(header), chance.randint(0, len(header))])]
    header += chance.randbytes(chance.choice([0, 0, 3]))
    with suppress(WireError):
        decode(bytes(header))


@pytest.mark.parametrize("kind", [Hello, StatusRequest])
@pytest.mark.parametrize("fields", [{}, {"session": 3}, {"session": "s", "protocol": 9, "more": 1}])
def test_a_greeting_with_other_fields_is_one_of_another_version(
    kind: type, fields: dict[str, Any]
) -> None:
    greeting = decode(msgspec.msgpack.encode({"type": kind.__name__, **fields}))
    assert isinstance(greeting, (Hello, StatusRequest))
    assert (type(greeting), greeting.protocol) == (kind, OTHER_PROTOCOL)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "Ping"},
        {"type": "Ping", "session": 3},
        {"type": "Ping", "session": "s", "more": 1},
        {"type": "Nonsense"},
        ["Hello", "s", 1],
        None,
    ],
)
def test_what_is_no_message_is_refused(content: Any) -> None:
    with pytest.raises(WireError, match="a header can't be read"):
        decode(msgspec.msgpack.encode(content))


def test_deep_nesting_and_long_headers_are_refused() -> None:
    with pytest.raises(WireError, match="can't be read"):
        decode(b"\x81\xa1a" * 20_000)
    with pytest.raises(WireError, match="exceeds"):
        decode(bytes(MAX_HEADER_BYTES + 1))


@given(st.sampled_from(["float32", "int8", "uint8"]), _SHAPES.filter(lambda s: math.prod(s) < 4096))
def test_a_payload_is_viewed_as_its_array(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    viewed = tensor_array(dtype, shape, memoryview(array.tobytes()))
    np.testing.assert_array_equal(viewed, array)
    assert viewed.dtype == dtype


@pytest.mark.parametrize(
    "shape",
    [(), (0,), (-1,), (2, -2), (-2, -2), (2**20, 2**20), (2**62, 4), (1,) * 100, (2**60,) * 50_000],
)
def test_a_shape_out_of_bounds_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(WireError):
        tensor_array("uint8", shape, bytes(4))


@given(st.lists(st.integers(), max_size=6).map(tuple), st.integers(0, 64))
def test_a_payload_has_the_size_of_its_header(shape: tuple[int, ...], size: int) -> None:
    try:
        array = tensor_array("float32", shape, bytes(size))
    except WireError:
        return
    assert (array.shape, array.nbytes) == (shape, size)
