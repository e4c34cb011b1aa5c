"""A plan as data for programs: boards, lanes, figures and their bounds."""

import msgspec

from edgeseg.boards.placement import Lane
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.outcome.prediction import Prediction
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.coded import coded_flows
from edgeseg.planning.problem.problem import Problem


class BoardPlan(msgspec.Struct, frozen=True):
    """One board: its pieces, its load and its memory.

    ``pieces`` are seconds on one core; ``busy`` is a part of the time of its cores. Seconds and
    bytes a slice are averages over all slices, those that other boards run included.
    ``estimated`` says that some seconds were estimated from FLOPs, not measured.
    """

    name: str
    pieces: dict[str, float]
    seconds_per_slice: float
    busy: float
    memory_bytes: int
    memory_limit_bytes: int
    sent_bytes_per_slice: float
    received_bytes_per_slice: float
    estimated: bool
    left_out: str | None


class LanePlan(msgspec.Struct, frozen=True):
    """One lane: the board of each piece, the slices in flight, and its rate.

    With ``shifts`` the groups of pieces share the board's memory in time, for each batch of
    ``window`` slices; ``slower`` is how many times longer a slice takes than on a board that
    holds all pieces.
    """

    pieces: dict[str, str]
    window: int
    slices_per_second: float
    shifts: tuple[tuple[str, ...], ...] = ()
    slower: float = 1.0


class TensorPlan(msgspec.Struct, frozen=True):
    """A tensor that passes encoded between boards, and what that saves and costs.

    ``bytes`` are those of the tensor, ``wire_bytes`` those of its payload to each board;
    ``core_seconds`` are what encoding it and decoding it everywhere takes for one slice.
    """

    name: str
    codec: str
    bytes: int
    wire_bytes: int
    core_seconds: float


class StrategyPlan(msgspec.Struct, frozen=True):
    """What the best placement of one strategy would reach."""

    name: str
    slices_per_second: float
    latency_seconds: float
    largest_memory_bytes: int


class PlanReport(msgspec.Struct, frozen=True):
    """A whole plan; ``cost`` and ``lower_bound`` are in seconds, or bytes for ``memory``."""

    model: str
    objective: Objective
    method: str
    slices_per_second: float
    latency_seconds: float
    bottleneck: str
    cost: float
    lower_bound: float
    gap: float
    estimated: bool
    boards: tuple[BoardPlan, ...]
    lanes: tuple[LanePlan, ...]
    strategies: tuple[StrategyPlan, ...]
    tensors: tuple[TensorPlan, ...] = ()
    note: str = RESEARCH_NOTE


def report_of(model: str, problem: Problem, plan: Plan) -> PlanReport:
    """Return the report of a plan.

    Parameters
    ----------
    model
        Name of the model.
    problem
        What was planned.
    plan
        The plan for it.
    """
    rates = plan.prediction.lane_rates
    return PlanReport(
        model=model,
        objective=plan.objective,
        method=plan.method,
        slices_per_second=plan.prediction.rate,
        latency_seconds=plan.prediction.latency,
        bottleneck=plan.prediction.bottleneck,
        cost=plan.cost,
        lower_bound=plan.bound,
        gap=plan.gap,
        estimated=problem.estimated,
        boards=tuple(_board(problem, plan, number) for number in range(len(problem.boards))),
        lanes=tuple(
            LanePlan(
                dict(lane.boards), lane.window, rate, lane.shifts, slowdown(problem, lane, rate)
            )
            for lane, rate in zip(plan.lanes, rates, strict=True)
        ),
        strategies=tuple(_strategy(row.name, row.prediction) for row in plan.strategies),
        tensors=_tensors(problem, plan),
    )


def slowdown(problem: Problem, lane: Lane, rate: float) -> float:
    """Return how many times longer a slice takes with time sharing than with all pieces in memory.

    Parameters
    ----------
    problem
        What was planned.
    lane
        One of the lanes; without time sharing the answer is 1.
    rate
        Slices a second of the lane.
    """
    if not lane.shifts:
        return 1.0
    number = [board.name for board in problem.boards].index(lane.members[0])
    whole = sum(piece.seconds[number] for piece in problem.pieces)
    return problem.boards[number].cores / (whole * rate)


def _board(problem: Problem, plan: Plan, number: int) -> BoardPlan:
    board, link = problem.boards[number], problem.links[number]
    names = {
        piece for lane in plan.lanes for piece, name in lane.boards.items() if name == board.name
    }
    prediction = plan.prediction  # of the boards in use
    compute = prediction.compute.get(board.name, 0.0)
    return BoardPlan(
        name=board.name,
        pieces={p.name: p.seconds[number] for p in problem.pieces if p.name in names},
        seconds_per_slice=compute,
        busy=compute * prediction.rate,
        memory_bytes=prediction.memory.get(board.name, 0),
        memory_limit_bytes=board.memory_limit,
        sent_bytes_per_slice=prediction.up.get(board.name, 0.0) * link.up,
        received_bytes_per_slice=prediction.down.get(board.name, 0.0) * link.down,
        estimated=board.name in problem.estimated_boards,
        left_out=plan.left_out.get(board.name),
    )


def _tensors(problem: Problem, plan: Plan) -> tuple[TensorPlan, ...]:
    """Return the tensors that a lane sends encoded, each once: lanes are alike in that."""
    coded = {
        row.flow.name: TensorPlan(
            row.flow.name, row.codec, row.flow.wire_bytes, row.wire_bytes, row.core_seconds
        )
        for lane in plan.lanes
        for row in coded_flows(problem, lane)
    }
    return tuple(coded.values())


def _strategy(name: str, prediction: Prediction) -> StrategyPlan:
    return StrategyPlan(name, prediction.rate, prediction.latency, prediction.largest_need)
