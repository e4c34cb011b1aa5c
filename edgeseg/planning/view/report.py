"""What a plan says of itself: boards, lanes, figures and their bounds, for programs."""

import msgspec

from edgeseg.boards.placement import Lane
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.outcome.prediction import Prediction
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem


class BoardPlan(msgspec.Struct, frozen=True):
    """One board: seconds of each of its pieces on one core, and what a slice takes there.

    ``estimated`` says that seconds were worked out from FLOPs where nothing was measured.
    Seconds and bytes a slice are over all slices, those that other boards run among them.
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

    In ``shifts`` the groups of pieces take turns in memory for each batch of slices in flight;
    ``slower`` is how many times longer a slice takes then than on a board that holds all pieces.
    """

    pieces: dict[str, str]
    window: int
    slices_per_second: float
    shifts: tuple[tuple[str, ...], ...] = ()
    slower: float = 1.0


class StrategyPlan(msgspec.Struct, frozen=True):
    """What a way to place would reach."""

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
    note: str = RESEARCH_NOTE


def report_of(model: str, problem: Problem, found: Plan) -> PlanReport:
    """Describe a plan.

    Parameters
    ----------
    model
        Name of the model.
    problem
        What was planned.
    found
        The plan for it.
    """
    rates = found.prediction.lane_rates
    return PlanReport(
        model=model,
        objective=found.objective,
        method=found.method,
        slices_per_second=found.prediction.rate,
        latency_seconds=found.prediction.latency,
        bottleneck=found.prediction.bottleneck,
        cost=found.cost,
        lower_bound=found.bound,
        gap=found.gap,
        estimated=problem.estimated,
        boards=tuple(_board(problem, found, number) for number in range(len(problem.boards))),
        lanes=tuple(
            LanePlan(
                dict(lane.boards), lane.window, rate, lane.shifts, slowdown(problem, lane, rate)
            )
            for lane, rate in zip(found.lanes, rates, strict=True)
        ),
        strategies=tuple(_strategy(row.name, row.prediction) for row in found.strategies),
    )


def slowdown(problem: Problem, lane: Lane, rate: float) -> float:
    """Return how many times longer a slice takes in shifts than with all pieces in memory.

    Parameters
    ----------
    problem
        What was planned.
    lane
        One of the lanes; of those not in shifts the answer is 1.
    rate
        Slices a second of the lane.
    """
    if not lane.shifts:
        return 1.0
    number = [board.name for board in problem.boards].index(lane.members[0])
    whole = sum(piece.seconds[number] for piece in problem.pieces)
    return problem.boards[number].cores / (whole * rate)


def _board(problem: Problem, found: Plan, number: int) -> BoardPlan:
    board, link = problem.boards[number], problem.links[number]
    here = {
        piece for lane in found.lanes for piece, name in lane.boards.items() if name == board.name
    }
    does = found.prediction  # of the boards in use
    compute = does.compute.get(board.name, 0.0)
    return BoardPlan(
        name=board.name,
        pieces={p.name: p.seconds[number] for p in problem.pieces if p.name in here},
        seconds_per_slice=compute,
        busy=compute * does.rate,
        memory_bytes=does.memory.get(board.name, 0),
        memory_limit_bytes=board.memory_limit,
        sent_bytes_per_slice=does.up.get(board.name, 0.0) * link.up,
        received_bytes_per_slice=does.down.get(board.name, 0.0) * link.down,
        estimated=board.name in problem.estimated_boards,
        left_out=found.left_out.get(board.name),
    )


def _strategy(name: str, does: Prediction) -> StrategyPlan:
    return StrategyPlan(name, does.rate, does.latency, does.largest_need)
