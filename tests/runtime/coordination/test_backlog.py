"""However often lanes change, every slice ends once and no window is exceeded."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.coordination.backlog import Backlog, PendingSlice


def _images(count: int) -> list[PendingSlice]:
    return [PendingSlice(n, SliceGeometry(1, 1), np.zeros((1, 1), np.uint8)) for n in range(count)]


class _Drawn(list[PendingSlice]):
    """Slices that say which of them were drawn."""

    def __init__(self, slices: list[PendingSlice]) -> None:
        super().__init__(slices)
        self.drawn: list[int] = []

    def __getitem__(self, place: Any) -> Any:
        self.drawn.append(place)
        return super().__getitem__(place)


def test_slices_go_where_most_of_the_window_is_free() -> None:
    backlog = Backlog(_images(6))
    backlog.restart([1, 3])
    assert [lane for _, lane in backlog.admit()] == [0, 1, 1, 1]
    backlog.finish(0)
    assert [(image.index, lane) for image, lane in backlog.admit()] == [(4, 0)]


def test_what_was_under_way_is_sent_again_first_and_in_order() -> None:
    backlog = Backlog(_images(6))
    backlog.restart([2, 2])
    assert len(list(backlog.admit())) == 4
    backlog.finish(1)
    assert backlog.restart([4]) == 3
    assert backlog.in_flight(0) is None
    assert [image.index for image, _ in backlog.admit()] == [0, 2, 3, 4]


def test_one_slice_is_ready_before_there_is_room() -> None:
    images = _Drawn(_images(2))
    backlog = Backlog(images)
    backlog.restart([1])
    assert [image.index for image, _ in backlog.admit()] == [0]
    assert images.drawn == [0]
    for _ in range(2):
        backlog.look_ahead()
    assert images.drawn == [0, 1]
    assert backlog.exhausted
    backlog.finish(0)
    assert [image.index for image, _ in backlog.admit()] == [1]
    assert not backlog.done
    backlog.finish(1)
    backlog.look_ahead()
    assert images.drawn == [0, 1]
    assert backlog.done


def _admitted(backlog: Backlog) -> dict[int, list[int]]:
    lanes: dict[int, list[int]] = {}
    for image, lane in backlog.admit():
        lanes.setdefault(lane, []).append(image.index)
    return lanes


def test_in_runs_each_lane_has_slices_that_follow_one_another() -> None:
    backlog = Backlog(_images(9), in_runs=True)
    backlog.restart([2, 2])
    assert _admitted(backlog) == {0: [0, 1], 1: [4, 5]}
    for index in (0, 1):
        backlog.finish(index)
    assert _admitted(backlog) == {0: [2, 3]}
    for index in (2, 3):
        backlog.finish(index)
    assert _admitted(backlog) == {0: [7, 8]}  # half of what the other lane has left
    assert backlog.restart([2]) == 4
    assert _admitted(backlog) == {0: [4, 5]}


def test_nothing_to_do_is_done() -> None:
    backlog = Backlog([])
    backlog.restart([1])
    assert not list(backlog.admit())
    assert backlog.done


@given(st.integers(0, 30), st.booleans(), st.data())
def test_every_slice_ends_once(count: int, in_runs: bool, data: st.DataObject) -> None:
    backlog = Backlog(_images(count), in_runs=in_runs)
    ended: list[int] = []
    under_way: dict[int, int] = {}
    windows: list[int] = []
    while not backlog.done:
        if not windows or data.draw(st.integers(0, 4)) == 0:
            windows = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
            assert backlog.restart(windows) == len(under_way)
            under_way = {}
        under_way |= {image.index: lane for image, lane in backlog.admit()}
        for lane, window in enumerate(windows):
            assert list(under_way.values()).count(lane) <= window
        if under_way:
            index = data.draw(st.sampled_from(sorted(under_way)))
            assert backlog.in_flight(index) is not None
            backlog.finish(index)
            assert backlog.in_flight(index) is None
            del under_way[index]
            ended.append(index)
    assert sorted(ended) == list(range(count))
