"""A plan with codecs: which tensors pass between boards encoded, chosen together with the lanes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from edgeseg.boards.placement import Lane
from edgeseg.codecs.names import NONE, CodecName, Wire
from edgeseg.codecs.table import most_bytes, working_bytes
from edgeseg.errors import PlacementError, field_name
from edgeseg.planning.clock import SYSTEM_CLOCK, Clock, Deadline
from edgeseg.planning.heuristics.baselines import EvaluatedPlacement, evaluate_placement
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.outcome.prediction import assignments_of
from edgeseg.planning.outcome.simulation import simulated
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.coded import coded_problem, smaller
from edgeseg.planning.problem.problem import Problem
from edgeseg.planning.time_shared_plan import plan_or_time_share

WORTHWHILE_SHARE = 0.97
"""Codecs must bring the cost below this part of what it is without them: costs are predictions."""

_FAST_LINK = 5e8
"""Bytes a second above which no codec keeps up with a link."""

_Codecs = Mapping[str, CodecName]
_Evaluate = Callable[[_Codecs], EvaluatedPlacement | None]


def plan_encoded(
    problem: Problem,
    objective: Objective = "throughput",
    time_limit: float = 4.0,
    wire: Wire = "auto",
    clock: Clock = SYSTEM_CLOCK,
) -> Plan:
    """Plan as :func:`edgeseg.planning.plan_or_time_share` does, and how tensors are sent.

    Lanes are found for tensors as they are, and for tensors as small as the codec makes them at
    no cost of cores. Both are then predicted with what the codec costs. With ``auto`` a tensor
    is sent encoded where the lanes do better by it, so that none do worse than without codecs;
    with the name of a codec every tensor between boards is sent with it.

    Parameters
    ----------
    problem, objective, time_limit, clock
        As for :func:`edgeseg.planning.plan`; the search for encoded tensors takes as long again,
        so that lanes without them are no worse than if nothing else were looked for.
    wire
        ``none``, ``auto``, or a codec.

    Returns
    -------
    Plan
        Its lanes have ``codecs``, its prediction counts them, and its lower bound holds for
        every choice of tensors to encode.

    Raises
    ------
    PlacementError
        If nothing fits, or no board has the memory to encode with the codec that was asked for.
    """
    codec: CodecName = "lossless" if wire == "auto" else wire
    missing = _ignorant(problem, codec)
    if missing and wire != "auto":
        raise PlacementError(
            f"{missing[0]} does not know the codec {codec}; install the same edgeseg on all "
            f"boards, or give {field_name('wire')} auto"
        )
    plain = plan_or_time_share(problem, objective, time_limit, clock)
    needless = codec == NONE or missing or (wire == "auto" and _all_fast(problem))
    if needless or any(lane.shifts for lane in plain.lanes):
        return plain
    deadline = Deadline.after(time_limit, clock)
    small = _with_small_tensors(problem, codec)
    free = plan_or_time_share(small, objective, deadline.seconds_left, clock)

    def chosen(plans: Sequence[Plan]) -> list[EvaluatedPlacement]:
        choices = (
            _choose(problem, lanes, objective, codec, wire, deadline) for lanes in _lanes(plans)
        )
        return [choice for choice in choices if choice is not None]

    candidates = chosen([plain, free])
    if not any(lane.codecs for choice in candidates for lane in choice.lanes):
        candidates += chosen(_with_room(small, objective, codec, deadline))
    return _best(problem, plain, free, candidates, wire)


def crossing_tensors(problem: Problem, lanes: Iterable[Lane]) -> tuple[str, ...]:
    """Return the names of the tensors that pass from board to board in one of the lanes."""
    names = [piece.name for piece in problem.pieces]
    crossing = {
        flow.name
        for lane in lanes
        for flow in problem.flows
        if flow.producer is not None
        and any(lane.boards[names[r]] != lane.boards[names[flow.producer]] for r in flow.readers)
    }
    return tuple(flow.name for flow in problem.flows if flow.name in crossing)


def _ignorant(problem: Problem, codec: CodecName) -> list[str]:
    """Return the boards that do not know a codec."""
    return [
        board.name
        for board in problem.boards
        if codec != NONE and codec not in {pace.codec for pace in board.codecs}
    ]


def _all_fast(problem: Problem) -> bool:
    return all(min(link.up, link.down) > _FAST_LINK for link in problem.links)


def _with_small_tensors(problem: Problem, codec: CodecName) -> Problem:
    flows = (smaller(flow, codec) if flow.ratios else flow for flow in problem.flows)
    return replace(problem, flows=tuple(flows))


def _with_room(
    small: Problem, objective: Objective, codec: CodecName, deadline: Deadline
) -> list[Plan]:
    """Return a plan that leaves each core the memory to encode the largest tensor, if one fits."""
    sizes = [flow.held_bytes for flow in small.flows if flow.ratios]
    room = max((most_bytes(size) + working_bytes(codec, size) for size in sizes), default=0)
    roomy = replace(small, working_bytes=small.working_bytes + room)
    try:
        return [plan_or_time_share(roomy, objective, deadline.seconds_left, deadline.clock)]
    except PlacementError:
        return []


def _lanes(plans: Sequence[Plan]) -> Iterator[Sequence[Lane]]:
    """Yield the lanes that are worth a look, each once."""
    seen: list[list[Mapping[str, str]]] = []
    choices = (
        lanes for plan in plans for lanes in (plan.lanes, *(s.lanes for s in plan.strategies))
    )
    for lanes in choices:
        boards = [lane.boards for lane in lanes]
        if boards not in seen and not any(lane.shifts for lane in lanes):
            seen.append(boards)
            yield lanes


def _choose(  # noqa: PLR0913, PLR0917 - what a choice depends on
    problem: Problem,
    lanes: Sequence[Lane],
    objective: Objective,
    codec: CodecName,
    wire: Wire,
    deadline: Deadline,
) -> EvaluatedPlacement | None:
    """Return lanes with the best codecs, None where they do not fit with any."""
    everything = dict.fromkeys(crossing_tensors(problem, lanes), codec)

    def evaluate(codecs: _Codecs) -> EvaluatedPlacement | None:
        return _evaluated(problem, lanes, objective, codecs)

    best = evaluate(everything)
    if best is None or wire != "auto":
        return best
    return _without_needless(problem, evaluate, best, everything, objective, deadline)


def _without_needless(  # noqa: PLR0913, PLR0917 - what a choice depends on
    problem: Problem,
    evaluate: _Evaluate,
    best: EvaluatedPlacement,
    codecs: _Codecs,
    objective: Objective,
    deadline: Deadline,
) -> EvaluatedPlacement:
    """Send tensors as they are, the smallest first, where that costs nothing."""
    sizes = {flow.name: flow.wire_bytes for flow in problem.flows}
    for tensor in sorted(codecs, key=lambda name: sizes[name]):
        if deadline.passed:
            break
        fewer = {name: codec for name, codec in codecs.items() if name != tensor}
        candidate = evaluate(fewer)
        if candidate is not None and candidate.cost(objective) <= best.cost(objective):
            best, codecs = candidate, fewer
    return best


def _evaluated(
    problem: Problem, lanes: Sequence[Lane], objective: Objective, codecs: _Codecs
) -> EvaluatedPlacement | None:
    """Return lanes with such codecs and as many slices in flight as then fit; None if none does."""
    named = [_with_codecs(problem, lane, codecs) for lane in lanes]
    coded = coded_problem(problem, named)
    placement = evaluate_placement(
        coded, "encoded", list(assignments_of(problem, lanes)), objective
    )
    if placement is None:
        return None
    fitted = tuple(
        replace(lane, codecs=before.codecs)
        for lane, before in zip(placement.lanes, named, strict=True)
    )
    return replace(placement, lanes=fitted, prediction=simulated(coded, fitted))


def _with_codecs(problem: Problem, lane: Lane, codecs: _Codecs) -> Lane:
    crossing = crossing_tensors(problem, [lane])
    return replace(lane, codecs={name: codecs[name] for name in crossing if name in codecs})


def _best(
    problem: Problem,
    plain: Plan,
    free: Plan,
    candidates: Sequence[EvaluatedPlacement],
    wire: Wire,
) -> Plan:
    """Return the plan of the best candidate, or the plain one where it is as good."""
    objective, bound = plain.objective, min(plain.bound, free.bound)
    if not candidates:
        if wire == "auto":
            return replace(plain, bound=bound)
        raise PlacementError(
            f"the boards lack the memory to encode tensors as {wire} beside the pieces; give "
            f"{field_name('wire')} none"
        )
    best = min(candidates, key=lambda placement: placement.cost(objective))
    cost = best.cost(objective)
    if wire == "auto" and cost > plain.cost * WORTHWHILE_SHARE:
        return replace(plain, bound=min(bound, plain.cost))
    members = {name for lane in best.lanes for name in lane.members}
    reasons = {**plain.left_out, **free.left_out}
    return replace(
        plain,
        lanes=best.lanes,
        prediction=best.prediction,
        cost=cost,
        bound=min(bound, cost),
        left_out={
            board.name: reasons.get(board.name, "other boards do better with encoded tensors")
            for board in problem.boards
            if board.name not in members
        },
        method="encoded" if any(lane.codecs for lane in best.lanes) else plain.method,
    )
