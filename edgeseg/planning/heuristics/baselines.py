"""Fixed ways to place, to compare a plan with and to begin from."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from edgeseg.boards.placement import SPARE_SLICES, Lane
from edgeseg.planning.heuristics.board_groups import group_boards
from edgeseg.planning.heuristics.contiguous import contiguous_assignment
from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.outcome.objective import INFEASIBLE, Objective, costs
from edgeseg.planning.outcome.prediction import Prediction, fewest_in_flight, lane_of, predict
from edgeseg.planning.problem.arrays import Assignments, arrays_of
from edgeseg.planning.problem.problem import Problem


@dataclass(frozen=True)
class EvaluatedPlacement:
    """A way to place, and what came of it."""

    name: str
    lanes: tuple[Lane, ...]
    prediction: Prediction

    def cost(self, objective: Objective) -> float:
        """Return what the objective makes least: seconds between slices, of a slice, or bytes."""
        found = self.prediction
        if objective == "throughput":
            return 1 / found.rate
        return found.latency if objective == "latency" else float(found.largest_need)


def whole_slice_lanes(problem: Problem, objective: Objective) -> list[Assignments]:
    """Run whole slices on every board that holds all pieces, or on the best one of them."""
    count, boards = len(problem.pieces), len(problem.boards)
    rows = np.repeat(np.arange(boards)[:, None], count, axis=1)
    cost = costs(problem, rows, objective)
    if objective == "throughput":
        return list(rows[cost < INFEASIBLE])
    return [rows[cost.argmin()]] if cost.min() < INFEASIBLE else []


def contiguous_lanes(
    problem: Problem, objective: Objective, deadline: float = inf
) -> list[Assignments]:
    """Chain runs of pieces; for throughput the boards may be divided into several chains."""
    if objective == "throughput":
        return group_boards(
            problem, lambda part: contiguous_assignment(part, objective), deadline
        ).lanes()
    chain = contiguous_assignment(problem, objective)
    return [] if chain is None else [chain]


def evaluate_placement(
    problem: Problem, name: str, assignments: Sequence[Assignments], objective: Objective
) -> EvaluatedPlacement | None:
    """Turn assignments into lanes, each with the smallest window that keeps it busy and fits.

    For latency and memory there is one slice in flight. None where something does not fit.
    """
    if not assignments:
        return None
    rows = np.array(assignments)
    loads, latency = loads_of(problem, rows), latencies(problem, rows)
    fits = loads.window(arrays_of(problem).limit)
    if fits.min() < 1:
        return None
    lanes = []
    for number, row in enumerate(rows):
        busy = fewest_in_flight(float(loads.bottleneck[number]), float(latency[number]))
        window = min(int(fits[number]), busy + SPARE_SLICES) if objective == "throughput" else 1
        lanes.append(lane_of(problem, row, window))
    return EvaluatedPlacement(name, tuple(lanes), predict(problem, lanes))
