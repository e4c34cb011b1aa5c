"""Prediction for lanes: slices a second, latency, load of cores and links, memory."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.boards.placement import Lane
from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.load import Loads, loads_of
from edgeseg.planning.problem.arrays import Assignments
from edgeseg.planning.problem.problem import Problem

COORDINATOR = "coordinator"
"""Name of the machine that feeds the slices, among those of the boards."""


_STALL = 0.01
"""Part of the time for which the bottleneck may be idle before the slices in flight limit."""


@dataclass(frozen=True)
class Prediction:
    """What lanes do if no board is in two of them.

    Parameters
    ----------
    rate
        Slices a second of all lanes together.
    lane_rates
        Slices a second of each lane.
    latency
        Seconds of one slice through the slowest lane, with nothing else in flight.
    compute
        Seconds a slice of each board's cores, over all slices of all lanes.
    up, down
        Seconds a slice of each link direction, the coordinator's included.
    memory
        Bytes that each board needs.
    bottleneck
        What decides the rate, such as ``pi4-a down``.
    """

    rate: float
    lane_rates: tuple[float, ...]
    latency: float
    compute: Mapping[str, float]
    up: Mapping[str, float]
    down: Mapping[str, float]
    memory: Mapping[str, int]
    bottleneck: str

    @property
    def largest_need(self) -> int:
        """Bytes of the board that needs most."""
        return max(self.memory.values())


def predict(
    problem: Problem, lanes: Sequence[Lane], rates: Sequence[float] | None = None
) -> Prediction:
    """Return the prediction for lanes.

    The busiest core or link decides the rate of a lane, unless too few slices are in flight to
    keep it busy: then the rate is the slices in flight over the time of one (Little's law). All
    lanes share the coordinator's link; where it is too slow they slow down alike.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    lanes
        At least one; no board may be in two.
    rates
        Simulated slices a second of each lane on its own, which count where they are lower: there
        may be more waiting than Little's law predicts.
    """
    rows = assignments_of(problem, lanes)
    loads, latency = loads_of(problem, rows), latencies(problem, rows)
    stalls = latency / np.array([lane.window for lane in lanes])
    if rates is not None:
        stalls = np.maximum(stalls, 1 / np.array(rates))
    lane_rates = 1 / np.maximum(loads.bottleneck, stalls)
    coordinator_busy = max(
        float(lane_rates @ loads.up[:, -1]), float(lane_rates @ loads.down[:, -1])
    )
    lane_rates = lane_rates / max(coordinator_busy, 1.0)
    share = lane_rates / lane_rates.sum()
    names = [board.name for board in problem.boards]
    compute = dict(zip(names, (share @ loads.compute).tolist(), strict=True))
    up = dict(zip([*names, COORDINATOR], (share @ loads.up).tolist(), strict=True))
    down = dict(zip([*names, COORDINATOR], (share @ loads.down).tolist(), strict=True))
    return Prediction(
        rate=float(lane_rates.sum()),
        lane_rates=tuple(lane_rates.tolist()),
        latency=float(latency.max()),
        compute=compute,
        up=up,
        down=down,
        memory=_memory(names, lanes, loads),
        bottleneck=_bottleneck(
            compute, up, down, bool((stalls > loads.bottleneck * (1 + _STALL)).all())
        ),
    )


def assignments_of(problem: Problem, lanes: Sequence[Lane]) -> Assignments:
    """Return the board numbers of the lanes' pieces, shape (lanes, P)."""
    number = {board.name: n for n, board in enumerate(problem.boards)}
    rows = [[number[lane.boards[piece.name]] for piece in problem.pieces] for lane in lanes]
    return np.array(rows, np.int64)


def lane_of(problem: Problem, assignment: Assignments, in_flight: int) -> Lane:
    """Return the lane of an assignment, shape (P,), with so many slices in flight."""
    placed = zip(problem.pieces, assignment.tolist(), strict=True)
    return Lane({piece.name: problem.boards[b].name for piece, b in placed}, in_flight)


def fewest_in_flight(bottleneck: float, latency: float) -> int:
    """Return the fewest slices in flight that keep the bottleneck busy, by Little's law.

    Parameters
    ----------
    bottleneck
        Seconds a slice of the busiest core or link.
    latency
        Seconds of one slice.
    """
    return max(1, math.ceil(latency / bottleneck * (1 - 1e-9)))


def _memory(names: Sequence[str], lanes: Sequence[Lane], loads: Loads) -> dict[str, int]:
    """Return the bytes of each board in use, by name."""
    needs = np.stack([loads.memory(lane.window)[n] for n, lane in enumerate(lanes)]).max(axis=0)
    return {name: round(need) for name, need in zip(names, needs, strict=True) if need > 0}


def _bottleneck(
    compute: Mapping[str, float], up: Mapping[str, float], down: Mapping[str, float], stalled: bool
) -> str:
    """Return what decides the rate."""
    if stalled:
        return "the window: more slices in flight do not fit"
    parts = {"cores": compute, "up": up, "down": down}
    busy = [(value, f"{name} {part}") for part, of in parts.items() for name, value in of.items()]
    return max(busy, key=lambda entry: entry[0])[1]
