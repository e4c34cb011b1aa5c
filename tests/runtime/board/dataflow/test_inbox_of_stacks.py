"""A board makes neighbouring slices of what the coordinator has sent, in whatever order."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifests import chain_manifest
from numpy.typing import NDArray

from edgeseg.boards.placement import Lane, Placement
from edgeseg.errors import WireError
from edgeseg.imaging.neighbours import neighbours
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.board.dataflow.executor import Executor
from edgeseg_runtime.board.dataflow.inbox import Inbox
from edgeseg_runtime.board.pieces.steps import steps_of
from edgeseg_runtime.coordination.sent_planes import SentPlanes
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.wire import Job, TensorData

_EPOCH = 4
_COUNT = 12
_STEP = frozenset({"piece_00"})
_SCAN: NDArray[np.uint16] = (
    np.random.default_rng(1).integers(0, 2**16, (_COUNT, 8, 8)).astype(np.uint16)
)


class _Board:
    """A board of two lanes that reads three neighbouring slices in 16 bits."""

    def __init__(self) -> None:
        manifest = chain_manifest([1])
        how = msgspec.structs.replace(manifest.preprocessing, channels=3, slices=3, level_bits=16)
        manifest = msgspec.structs.replace(manifest, preprocessing=how)
        lane = Lane({"piece_00": "a"}, 1)
        assignment: Any = assignment_for("a", manifest, Placement((lane, lane), {}), _EPOCH, {})
        self.executor = Executor(
            steps_of(assignment), {routes.lane: routes for routes in assignment.routes}
        )
        self.inbox = Inbox(assignment, self.executor)
        self.sent = SentPlanes(3)
        self.bytes = 0

    def receive(self, index: int, lane: int) -> NDArray[Any]:
        """Send a slice as a coordinator does, and return what the first piece reads."""
        numbers = neighbours(index, _COUNT, 3)
        levels = self.sent.to_send("a", lane, numbers, _SCAN[list(numbers)])
        self.bytes += levels.nbytes
        data = _image(index, lane, levels.shape, numbers)
        assert self.inbox.accept(data, memoryview(levels.tobytes()))
        firing = self.executor.next(_STEP)
        assert firing is not None
        stack: Any = firing.inputs["image"]
        return np.asarray(stack)


def _image(
    index: int, lane: int, shape: tuple[int, ...], planes: tuple[int, ...], epoch: int = _EPOCH
) -> TensorData:
    job = Job(epoch, index, lane, SliceGeometry(8, 8))
    return TensorData(job, "image", "uint16", shape, planes)


@settings(deadline=None)
@given(st.permutations(range(_COUNT)), st.data())
def test_a_stack_is_that_of_the_scan_in_any_order(order: list[int], data: st.DataObject) -> None:
    board = _Board()
    for index in order:
        stack = board.receive(index, data.draw(st.integers(0, 1)))
        np.testing.assert_array_equal(stack, _SCAN[list(neighbours(index, _COUNT, 3))])


def test_in_order_no_slice_arrives_twice() -> None:
    board = _Board()
    for index in range(_COUNT):
        board.receive(index, 0)
    assert board.bytes == _SCAN.nbytes


def test_a_stack_of_another_epoch_leaves_nothing_behind() -> None:
    board = _Board()
    old = _image(0, 0, (2, 8, 8), (0, 0, 1), epoch=_EPOCH - 1)
    assert not board.inbox.accept(old, memoryview(np.ones((2, 8, 8), np.uint16).tobytes()))
    np.testing.assert_array_equal(board.receive(0, 0), _SCAN[[0, 0, 1]])


@pytest.mark.parametrize(
    ("shape", "planes", "lane", "complaint"),
    [
        ((1, 8, 8), (0, 0, 1), 0, r"of shape \(2, 8, 8\) is read"),
        ((3, 8, 8), (0, 0, 1), 0, r"of shape \(2, 8, 8\) is read"),
        ((2, 8, 8), (0, 1), 0, "of 2 slices in lane 0; 3 are read"),
        ((2, 8, 8), (0, 0, 1), 7, "in lane 7"),
        ((8, 8), (), 0, "of 0 slices in lane 0; 3 are read"),
    ],
)
def test_a_stack_that_is_none_is_refused(
    shape: tuple[int, ...], planes: tuple[int, ...], lane: int, complaint: str
) -> None:
    board = _Board()
    payload = memoryview(np.zeros(shape, np.uint16).tobytes())
    with pytest.raises(WireError, match=complaint):
        board.inbox.accept(_image(0, lane, shape, planes), payload)
    np.testing.assert_array_equal(board.receive(0, 0), _SCAN[[0, 0, 1]])
