"""Codecs in plans: where links are slow and cores idle, and nowhere that they cost more."""

from dataclasses import replace

import pytest
from manifests import chain_manifest

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import Link
from edgeseg.boards.placement import Lane
from edgeseg.codecs.names import Wire
from edgeseg.codecs.pace import expected_paces
from edgeseg.errors import PlacementError
from edgeseg.planning.encoded_plan import crossing_tensors, plan_encoded
from edgeseg.planning.outcome.simulation import simulated
from edgeseg.planning.problem.coded import coded_flows, coded_problem
from edgeseg.planning.problem.from_pieces import problem_of
from edgeseg.planning.problem.problem import Flow, PieceCost, Problem
from edgeseg.planning.time_shared_plan import plan_or_time_share
from edgeseg.planning.view.report import report_of
from edgeseg.planning.view.tables import plan_renderables

_MIB = 2**20
_SLOW, _FAST = Link(12.5e6, 12.5e6), Link(125e6, 125e6)


def _problem(link: Link, seconds: float = 0.1, memory: int = 40 * _MIB) -> Problem:
    """Two pieces, of which a board holds one, and 8 MiB between them."""
    boards = tuple(Board(name, memory, codecs=expected_paces(1.0)) for name in "ab")
    pieces = tuple(
        PieceCost(name, (seconds, seconds), 16 * _MIB, 16 * _MIB) for name in ("first", "second")
    )
    flows = (
        Flow("image", 65536, 65536, None, (0,)),
        Flow("between", 8 * _MIB, 8 * _MIB, 0, (1,), ratios=(("lossless", 0.3), ("int8", 0.1))),
        Flow("mask", 65536, 65536, 1, (), returns=True),
    )
    return Problem(pieces, flows, boards, (link, link), _FAST, (0, 1))


def test_a_slow_link_between_idle_cores_is_worth_a_codec() -> None:
    problem = _problem(_SLOW)
    plain, encoded = plan_or_time_share(problem), plan_encoded(problem)
    (lane,) = encoded.lanes
    assert lane.codecs == {"between": "lossless"}
    assert encoded.prediction.rate > 2 * plain.prediction.rate
    assert encoded.prediction == simulated(coded_problem(problem, encoded.lanes), encoded.lanes)
    assert encoded.bound <= encoded.cost < plain.cost


@pytest.mark.parametrize("link", [Link(2e9, 2e9), Link(600e6, 600e6)])
def test_a_fast_link_needs_none(link: Link) -> None:
    assert not any(lane.codecs for lane in plan_encoded(_problem(link)).lanes)


def test_busy_cores_need_none() -> None:
    """The link is idle half of the time, and encoding would come on top of the cores' work."""
    problem = _problem(_FAST, seconds=0.2)
    planned = plan_encoded(problem)
    assert not any(lane.codecs for lane in planned.lanes)
    assert planned.prediction == plan_or_time_share(problem).prediction


@pytest.mark.parametrize("objective", ["throughput", "latency", "memory"])
@pytest.mark.parametrize("link", [_SLOW, _FAST])
@pytest.mark.parametrize("seconds", [0.001, 0.05, 1.0])
def test_auto_is_never_worse_than_none(objective: str, link: Link, seconds: float) -> None:
    problem = _problem(link, seconds)
    auto, none = plan_encoded(problem, objective), plan_encoded(problem, objective, wire="none")  # type: ignore[arg-type]
    assert auto.cost <= none.cost * (1 + 1e-9)
    assert auto.bound <= auto.cost


def test_the_named_codec_is_used_for_every_crossing_tensor() -> None:
    (lane,) = plan_encoded(_problem(_FAST), wire="int8").lanes
    assert lane.codecs == {"between": "int8"}


@pytest.mark.parametrize("wire", ["auto", "int8"])
def test_a_codec_without_a_ratio_is_planned_as_saving_nothing(wire: Wire) -> None:
    """Where it was measured not to carry a tensor, or a bundle leaves it out."""
    problem = _problem(_FAST)
    image, between, mask = problem.flows
    unknown = replace(problem, flows=(image, replace(between, ratios=(("half", 0.2),)), mask))
    planned = plan_encoded(unknown, wire=wire)
    (lane,) = planned.lanes
    assert lane.codecs == ({} if wire == "auto" else {"between": "int8"})
    assert coded_problem(unknown, planned.lanes).flows == unknown.flows


def test_boards_without_the_memory_to_encode_say_so_or_send_tensors_as_they_are() -> None:
    problem = _problem(_SLOW, memory=25 * _MIB)
    assert not any(lane.codecs for lane in plan_encoded(problem).lanes)
    with pytest.raises(PlacementError, match="lack the memory to encode tensors as lossless"):
        plan_encoded(problem, wire="lossless")


def test_costs_fall_on_the_boards_that_encode_and_decode() -> None:
    problem = _problem(_SLOW)
    lane = Lane({"first": "b", "second": "a"}, 1, codecs={"between": "lossless"})
    coded = coded_problem(problem, [lane])
    (pace, *_) = expected_paces(1.0)
    assert coded.pieces[0].seconds == (0.1, 0.1 + 8 * _MIB * pace.encode)
    assert coded.pieces[1].seconds == (0.1 + 8 * _MIB * pace.decode, 0.1)
    assert coded.flows[1].wire_bytes == round(0.3 * 8 * _MIB)
    assert coded.working_bytes >= 5 * _MIB
    (flow,) = coded_flows(problem, lane)
    assert flow.core_seconds == pytest.approx(8 * _MIB * (pace.encode + pace.decode))


def test_a_tensor_that_stays_on_a_board_does_not_cross() -> None:
    problem = _problem(_SLOW)
    assert crossing_tensors(problem, [Lane({"first": "a", "second": "a"}, 1)]) == ()
    assert crossing_tensors(problem, [Lane({"first": "a", "second": "b"}, 1)]) == ("between",)


def test_the_plan_shows_bytes_before_and_after() -> None:
    problem = _problem(_SLOW)
    report = report_of("net", problem, plan_encoded(problem))
    (row,) = report.tensors
    assert (row.name, row.codec, row.bytes) == ("between", "lossless", 8 * _MIB)
    assert row.wire_bytes < 3 * _MIB
    assert row.core_seconds > 0
    assert len(list(plan_renderables(report))) > len(
        list(plan_renderables(report_of("net", problem, plan_or_time_share(problem))))
    )


def test_ratios_are_those_given_and_estimates_where_none_are() -> None:
    pieces = chain_manifest([1, 1]).pieces
    boards = [Board("a", 2**40)]
    given = {pieces[0].outputs[0].tensor: {"lossless": 0.25}}
    measured = problem_of(pieces, boards, ratios=given).flows[1]  # type: ignore[arg-type]
    estimated = problem_of(pieces, boards).flows[1]
    assert dict(measured.ratios) == {"lossless": 0.25}
    assert dict(estimated.ratios)["lossless"] == 0.5
    assert replace(estimated, ratios=()) == replace(measured, ratios=())
