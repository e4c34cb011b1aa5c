"""Placements by fixed rules, to compare a plan with and to start searches from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.boards.placement import SPARE_SLICES, Lane
from edgeseg.planning.clock import NEVER, Deadline
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
    """Lanes and what they are predicted to do.

    Parameters
    ----------
    name
        How they were found: ``whole``, ``contiguous``, ``folded``, ``mixed`` and so on.
    lanes
        Full sets of pieces, between which the slices are dealt.
    prediction
        Rates, latency and memory.
    """

    name: str
    lanes: tuple[Lane, ...]
    prediction: Prediction

    def cost(self, objective: Objective) -> float:
        """Return what is minimised: seconds between slices, seconds of a slice, or bytes."""
        if objective == "throughput":
            return 1 / self.prediction.rate
        if objective == "latency":
            return self.prediction.latency
        return float(self.prediction.largest_need)


def whole_slice_lanes(problem: Problem, objective: Objective) -> list[Assignments]:
    """Return lanes of whole slices, each an array of shape (P,).

    For throughput, one on every board that holds all pieces; for other objectives, the best of
    them. Empty where no board holds all pieces.
    """
    count, boards = len(problem.pieces), len(problem.boards)
    rows = np.repeat(np.arange(boards)[:, None], count, axis=1)
    cost = costs(problem, rows, objective)
    if objective == "throughput":
        return list(rows[cost < INFEASIBLE])
    return [rows[cost.argmin()]] if cost.min() < INFEASIBLE else []


def contiguous_lanes(
    problem: Problem, objective: Objective, deadline: Deadline = NEVER
) -> list[Assignments]:
    """Return lanes in which every board runs one run of pieces, each of shape (P,).

    For throughput the boards may be divided into several lanes. Empty where none fits.
    """
    if objective == "throughput":
        groups = group_boards(
            problem, lambda members: contiguous_assignment(members, objective), deadline
        )
        return groups.lanes()
    assignment = contiguous_assignment(problem, objective)
    return [] if assignment is None else [assignment]


def evaluate_placement(
    problem: Problem, name: str, assignments: Sequence[Assignments], objective: Objective
) -> EvaluatedPlacement | None:
    """Return the lanes of assignments, each with the fewest slices in flight that keep it busy.

    For latency and memory there is one slice in flight.

    Parameters
    ----------
    problem
        P pieces and B boards.
    name
        How the assignments were found.
    assignments
        Board numbers, each of shape (P,); no board is in two.
    objective
        What counts.

    Returns
    -------
    EvaluatedPlacement or None
        None where there is no assignment, or one does not fit.
    """
    if not assignments:
        return None
    rows = np.array(assignments)
    loads, latency = loads_of(problem, rows), latencies(problem, rows)
    most_in_flight = loads.in_flight(arrays_of(problem).limit)
    if most_in_flight.min() < 1:
        return None
    lanes = []
    for number, row in enumerate(rows):
        in_flight = 1
        if objective == "throughput":
            busy = fewest_in_flight(float(loads.bottleneck[number]), float(latency[number]))
            in_flight = min(int(most_in_flight[number]), busy + SPARE_SLICES)
        lanes.append(lane_of(problem, row, in_flight))
    return EvaluatedPlacement(name, tuple(lanes), predict(problem, lanes))
