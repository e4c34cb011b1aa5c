"""Predictions of hand-made lanes."""

import pytest
from planning_problems import NO_LIMIT, make_problem

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import Link
from edgeseg.boards.placement import Lane
from edgeseg.planning.outcome.prediction import COORDINATOR, fewest_in_flight, predict
from edgeseg.planning.problem.problem import Flow

BOARDS = [Board("a", 1000, base_memory=5), Board("b", 1000, cores=2)]
FLOWS = [
    Flow("image", 10, 40, None, (0,)),
    Flow("skip", 30, 30, 0, (1, 2)),
    Flow("deep", 20, 20, 1, (2,)),
    Flow("mask", 10, 40, 2, (), returns=True),
]
SECONDS = [[1.0, 2.0], [4.0, 4.0], [2.0, 1.0]]
PIPELINE = Lane({"piece_00": "a", "piece_01": "b", "piece_02": "b"}, window=3)


def _whole(board: str, window: int) -> Lane:
    return Lane(dict.fromkeys(PIPELINE.boards, board), window)


def test_a_pipeline_sends_a_tensor_once_to_each_board_that_reads_it() -> None:
    problem = make_problem(SECONDS, FLOWS, BOARDS, [Link(10, 5), Link(10, 10)], Link(100, 100))
    prediction = predict(problem, [PIPELINE])
    assert prediction.compute == {"a": 1.0, "b": 2.5}
    assert prediction.up == {"a": 3.0, "b": 1.0, COORDINATOR: 0.1}
    assert prediction.down == {"a": 2.0, "b": 3.0, COORDINATOR: 0.1}
    # Image 2 s, piece 1 s, skip 3 s, two pieces 5 s, mask 1 s.
    assert prediction.latency == pytest.approx(12.0)
    assert prediction.rate == pytest.approx(3 / 12)
    assert prediction.bottleneck.startswith("the window")
    assert prediction.memory == {"a": 5 + 10 + 3 * 70, "b": 20 + 3 * 90}
    wide = predict(problem, [Lane(PIPELINE.boards, window=4)])
    assert wide.rate == pytest.approx(1 / 3)
    assert wide.bottleneck == "a up"


def test_lanes_add_up_and_share_the_coordinators_link() -> None:
    lanes = [_whole("a", 1), _whole("b", 2)]
    fast = make_problem(SECONDS, FLOWS, BOARDS, [NO_LIMIT] * 2)
    prediction = predict(fast, lanes)
    assert prediction.lane_rates == (pytest.approx(1 / 7), pytest.approx(2 / 7))
    assert prediction.rate == pytest.approx(3 / 7)
    assert prediction.compute["a"] == pytest.approx(7 / 3)
    slow = make_problem(SECONDS, FLOWS, BOARDS, [NO_LIMIT] * 2, coordinator=Link(2, 1e9))
    starved = predict(slow, [_whole("a", 2), _whole("b", 4)])
    assert starved.rate == pytest.approx(1 / 5)
    assert starved.bottleneck == f"{COORDINATOR} up"


def test_a_window_is_the_time_of_one_slice_over_the_bottleneck() -> None:
    assert fewest_in_flight(1.0, 3.0) == 3
    assert fewest_in_flight(1.0, 3.1) == 4
    assert fewest_in_flight(2.0, 0.5) == 1
