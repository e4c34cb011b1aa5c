"""The plan: the best lanes found, what they would do, and how far from the best they may be."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgeseg.placement import SPARE_SLICES, Lane
from edgeseg.planning.bound import lower_bound
from edgeseg.planning.contiguous import contiguous
from edgeseg.planning.exact import improve
from edgeseg.planning.groups import best_groups
from edgeseg.planning.lack import feasible_start, usable_boards, why_left_out
from edgeseg.planning.objective import LACKING, Objective, costs
from edgeseg.planning.prediction import Prediction, busy_window, lane_of, predict
from edgeseg.planning.problem import Problem
from edgeseg.planning.scores import Assignments, latencies, score, tables_of
from edgeseg.planning.search import search

_HELPS = 1e-6
"""Part of the rate that a lane must bring, or its boards are left out."""

_EXACT_SHARE = 0.55
"""Part of the time for better placements; the rest is the bound's."""


@dataclass(frozen=True)
class Strategy:
    """A way to place, and what came of it: the rows to compare a plan with."""

    name: str
    lanes: tuple[Lane, ...]
    prediction: Prediction


@dataclass(frozen=True)
class Plan:
    """Where the pieces go.

    Parameters
    ----------
    lanes
        Full sets of pieces, between which the slices are dealt.
    prediction
        What they would do.
    cost
        What the objective makes least: seconds between two slices, seconds of one, or bytes.
    bound
        A cost that no placement is below.
    left_out
        Why boards run nothing, by name.
    method
        The strategy that found the lanes.
    strategies
        The best of each fixed strategy that fits.
    """

    objective: Objective
    lanes: tuple[Lane, ...]
    prediction: Prediction
    cost: float
    bound: float
    left_out: Mapping[str, str]
    method: str
    strategies: tuple[Strategy, ...]

    @property
    def gap(self) -> float:
        """Part of the cost that a better placement could save at most."""
        return max(0.0, 1 - self.bound / self.cost)


def plan(problem: Problem, objective: Objective = "throughput", time_limit: float = 4.0) -> Plan:
    """Plan for the least cost within every board's memory.

    The same problem gives the same plan, unless the exact search runs out of time.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    objective
        ``throughput`` for the most slices a second, ``latency`` for the fewest seconds a slice,
        ``memory`` for the smallest largest board.
    time_limit
        Seconds, of which the heuristics take what they need.

    Raises
    ------
    PlacementError
        If nothing fits; the message says what is needed and what is there.
    """
    deadline = time.monotonic() + time_limit
    usable = usable_boards(problem)
    part = problem.only(usable)
    strategies = compare(part, objective)
    best = _best(strategies, objective) if strategies else None
    if best is None:
        start = feasible_start(problem, part, time_limit / 2)
        best = _strategy(part, "folded", [search(part, objective, (start,))], objective)
        strategies = (best,)
    best = _exact(part, best, objective, deadline, time_limit * _EXACT_SHARE)
    best = _without_idlers(part, best)
    cost = _cost(best, objective)
    bound = lower_bound(part, objective, max(deadline - time.monotonic(), 0.1), cost)
    members = {name for lane in best.lanes for name in lane.members}
    return Plan(
        objective=objective,
        lanes=best.lanes,
        prediction=best.prediction,
        cost=cost,
        bound=min(bound, cost),
        left_out={
            board.name: why_left_out(problem, number, objective, cost)
            for number, board in enumerate(problem.boards)
            if board.name not in members
        },
        method=best.name,
        strategies=strategies,
    )


def compare(problem: Problem, objective: Objective) -> tuple[Strategy, ...]:
    """Return the best of each fixed strategy that fits, found without proof.

    ``whole`` runs whole slices on each board that holds all pieces, ``contiguous`` chains runs
    of pieces, ``folded`` places pieces freely in one lane, and ``mixed`` divides the boards into
    lanes of any of these; the last stands for throughput alone.
    """
    count, boards = len(problem.pieces), range(len(problem.boards))
    whole = np.repeat(np.arange(len(boards))[:, None], count, axis=1)
    fits = whole[costs(problem, whole, objective) < LACKING]
    rows: dict[str, Sequence[Assignments]] = {"whole": list(fits)}
    if objective != "throughput":
        single = costs(problem, whole, objective)
        rows["whole"] = [whole[single.argmin()]] if single.min() < LACKING else []
        chain = contiguous(problem, objective)
        rows["contiguous"] = [] if chain is None else [chain]
    else:
        chains = best_groups(problem, lambda part: contiguous(part, objective))
        rows["contiguous"] = [lane.boards for lane in chains]
    rows["folded"] = [search(problem, objective)]
    if objective == "throughput":
        mixed = best_groups(problem, lambda part: search(part, objective, quick=True))
        rows["mixed"] = [lane.boards for lane in mixed]
    return tuple(
        _strategy(problem, name, lanes, objective)
        for name, lanes in rows.items()
        if lanes and costs(problem, np.array(lanes), objective).max() < LACKING
    )


def _strategy(
    problem: Problem, name: str, assignments: Sequence[Assignments], objective: Objective
) -> Strategy:
    """Turn assignments into lanes, each with the smallest window that keeps it busy and fits."""
    rows = np.array(assignments)
    scores, latency = score(problem, rows), latencies(problem, rows)
    fits = scores.window(tables_of(problem).limit)
    lanes = []
    for number, row in enumerate(rows):
        busy = busy_window(float(scores.bottleneck[number]), float(latency[number]))
        window = min(int(fits[number]), busy + SPARE_SLICES) if objective == "throughput" else 1
        lanes.append(lane_of(problem, row, window))
    return Strategy(name, tuple(lanes), predict(problem, lanes))


def _cost(strategy: Strategy, objective: Objective) -> float:
    found = strategy.prediction
    if objective == "throughput":
        return 1 / found.rate
    return found.latency if objective == "latency" else float(found.largest_need)


def _best(strategies: Sequence[Strategy], objective: Objective) -> Strategy:
    """Return the first of those that cost least but for rounding: the simplest one."""
    least = min(_cost(strategy, objective) for strategy in strategies)
    return next(s for s in strategies if _cost(s, objective) <= least * (1 + 1e-9))


def _exact(
    problem: Problem, best: Strategy, objective: Objective, deadline: float, most: float
) -> Strategy:
    """Improve lanes of several boards with the exact search, each kind of group once."""
    number = {board.name: n for n, board in enumerate(problem.boards)}
    used = {name for lane in best.lanes for name in lane.members}
    spare = [n for name, n in number.items() if name not in used]
    end = min(deadline, time.monotonic() + most)
    rows = []
    solved: dict[object, Assignments] = {}
    for left, lane in zip(range(len(best.lanes), 0, -1), best.lanes, strict=True):
        group = sorted(number[name] for name in lane.members)
        group = sorted({*group, *(spare if left == 1 else ())})
        place = {problem.boards[b].name: n for n, b in enumerate(group)}
        part = problem.only(group)
        start = np.array([place[lane.boards[piece.name]] for piece in problem.pieces], np.int64)
        key = (tuple(problem.kind(board) for board in group), start.tobytes())
        if key not in solved:
            seconds = max(end - time.monotonic(), 0.0) / left
            solved[key] = improve(part, start, objective, seconds).assignment
        rows.append(np.array(group, np.int64)[solved[key]])
    better = _strategy(problem, "exact", rows, objective)
    return _best((best, better), objective)


def _without_idlers(problem: Problem, best: Strategy) -> Strategy:
    """Drop lanes that bring nothing, the slowest first."""
    lanes = best.lanes
    while len(lanes) > 1:
        rates = predict(problem, lanes).lane_rates
        slowest = rates.index(min(rates))
        fewer = (*lanes[:slowest], *lanes[slowest + 1 :])
        if predict(problem, fewer).rate < sum(rates) * (1 - _HELPS):
            break
        lanes = fewer
    return replace(best, lanes=lanes, prediction=predict(problem, lanes))
