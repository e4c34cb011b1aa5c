"""Tensors that come in: dropped, refused, or held."""

from typing import Any

import msgspec
import numpy as np
import pytest
from manifests import chain_manifest

from edgeseg.boards.placement import Lane, Placement
from edgeseg.codecs.table import encode
from edgeseg.errors import WireError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.board.dataflow.executor import Executor
from edgeseg_runtime.board.dataflow.inbox import Inbox
from edgeseg_runtime.board.memory.held import Encoded
from edgeseg_runtime.board.pieces.steps import steps_of
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.wire import Job, Peer, TensorData

_EPOCH = 3
_SIZE = chain_manifest([1]).preprocessing.size
_IMAGE = TensorData(Job(_EPOCH, 0, 0, SliceGeometry(8, 8)), "image", "uint8", _SIZE)

_A = Peer("tcp://127.0.0.1:1")


@pytest.fixture
def executor() -> Executor:
    assignment = _assignment()
    return Executor(steps_of(assignment), {routes.lane: routes for routes in assignment.routes})


@pytest.fixture
def inbox(executor: Executor) -> Inbox:
    return Inbox(_assignment(), executor)


def _assignment() -> Any:
    placement = Placement((Lane({"piece_00": "a"}, 1),), {})
    return assignment_for("a", chain_manifest([1]), placement, _EPOCH, {})


def _payload(data: TensorData) -> memoryview:
    return memoryview(np.zeros(data.shape, data.dtype).tobytes())


def _of(data: TensorData, **changes: int) -> TensorData:
    return msgspec.structs.replace(data, job=msgspec.structs.replace(data.job, **changes))


def test_an_image_is_held(inbox: Inbox, executor: Executor) -> None:
    assert inbox.accept(_IMAGE, _payload(_IMAGE))
    assert executor.slices_held == 1
    assert executor.held_bytes == np.prod(_SIZE)


@pytest.mark.parametrize("epoch", [_EPOCH - 1, _EPOCH + 1])
def test_a_tensor_of_another_epoch_is_dropped(inbox: Inbox, executor: Executor, epoch: int) -> None:
    assert not inbox.accept(_of(_IMAGE, epoch=epoch), memoryview(b"not even looked at"))
    assert executor.slices_held == 0


def test_a_slice_that_is_done_is_dropped(inbox: Inbox, executor: Executor) -> None:
    inbox.accept(_IMAGE, _payload(_IMAGE))
    assert executor.next(frozenset({"piece_00"})) is not None
    assert not inbox.accept(_IMAGE, _payload(_IMAGE))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dtype": "float32"}, r"uint8 of shape \(8, 8\) is read"),
        ({"shape": (*_SIZE, 1)}, r"uint8 of shape \(8, 8\) is read"),
        ({"tensor": "elsewhere"}, "no piece here reads elsewhere"),
    ],
)
def test_what_is_not_expected_is_refused(
    inbox: Inbox, executor: Executor, changes: dict[str, Any], reason: str
) -> None:
    data = msgspec.structs.replace(_IMAGE, **changes)
    with pytest.raises(WireError, match=reason):
        inbox.accept(data, _payload(data))
    assert executor.slices_held == 0


def test_a_payload_of_another_size_is_refused(inbox: Inbox) -> None:
    with pytest.raises(WireError, match="its header says"):
        inbox.accept(_IMAGE, memoryview(b"\0"))


def test_no_more_slices_come_than_may_be_in_flight(inbox: Inbox) -> None:
    inbox.accept(_IMAGE, _payload(_IMAGE))
    with pytest.raises(WireError, match="1 slices in flight, all it may have"):
        inbox.accept(_of(_IMAGE, slice=1), _payload(_IMAGE))


def _read(codecs: dict[str, Any]) -> tuple[TensorData, Executor, Inbox]:
    """The second piece of two, on a board of its own, and the tensor that it reads."""
    manifest = chain_manifest([1, 1], channels=64)
    lane = Lane({"piece_00": "a", "piece_01": "b"}, 1, codecs=codecs)
    assignment = assignment_for("b", manifest, Placement((lane,), {}), _EPOCH, {"a": _A, "b": _A})
    executor = Executor(steps_of(assignment), {routes.lane: routes for routes in assignment.routes})
    shape = manifest.pieces[1].inputs[0].shape
    return TensorData(_IMAGE.job, "t0", "float32", shape), executor, Inbox(assignment, executor)


def _encoded(data: TensorData) -> bytes:
    array = np.zeros(data.shape, np.float32)
    array[..., 0] = 1.5
    payload = encode("lossless", array)
    assert payload is not None
    return bytes(payload)


def test_an_encoded_tensor_is_held_as_it_came_and_decoded_by_its_reader() -> None:
    data, executor, inbox = _read({"t0": "lossless"})
    payload = _encoded(data)
    assert inbox.accept(msgspec.structs.replace(data, codec="lossless"), memoryview(payload))
    assert executor.held_bytes == len(payload) < np.prod(data.shape)
    firing = executor.next(frozenset({"piece_01"}))
    assert firing is not None
    held = firing.inputs["t0"]
    assert isinstance(held, Encoded)
    assert held.array()[0, 0, 0, 0] == 1.5


def test_a_tensor_that_did_not_get_smaller_comes_as_it_is() -> None:
    data, executor, inbox = _read({"t0": "lossless"})
    assert inbox.accept(data, _payload(data))
    assert executor.held_bytes == 4 * np.prod(data.shape)


def test_a_tensor_of_another_codec_than_agreed_is_refused() -> None:
    for agreed, codec in (({}, "lossless"), ({"t0": "lossless"}, "int8")):
        data, executor, inbox = _read(agreed)
        changed = msgspec.structs.replace(data, codec=codec)
        with pytest.raises(WireError, match=f"t0 comes as {codec}, .* was agreed on"):
            inbox.accept(changed, memoryview(_encoded(data)))
        assert executor.slices_held == 0


def test_an_encoded_tensor_of_most_of_its_bytes_is_refused() -> None:
    data, executor, inbox = _read({"t0": "lossless"})
    changed = msgspec.structs.replace(data, codec="lossless")
    assert inbox.payload_limit(changed) < inbox.payload_limit(data)
    with pytest.raises(WireError, match="t0 is encoded in"):
        inbox.accept(changed, _payload(data))
    assert executor.slices_held == 0
