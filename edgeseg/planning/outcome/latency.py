"""Seconds of one slice through assignments of pieces to boards, many at once."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.merged_runs import runs_of
from edgeseg.planning.problem.problem import Problem


def latencies(problem: Problem, assignments: Assignments) -> Floats:
    """Return the seconds from a slice's departure to its mask with nothing else in flight, (N,).

    Pieces take the cores and tensors the links in the order of the partition; a transfer keeps
    the sender's uplink and the receiver's downlink busy until it is through. A run that will be
    merged to one piece waits for all its inputs, and sends when all of it is done.

    Parameters
    ----------
    problem
        P pieces and B boards.
    assignments
        Board numbers, shape (N, P).
    """
    t = arrays_of(problem)
    count, boards = len(assignments), len(problem.boards)
    rows = np.arange(count)
    most_cores = int(t.cores.max())
    cores = np.where(np.arange(most_cores) < t.cores[:, None], 0.0, np.inf)
    core_free = np.broadcast_to(cores, (count, boards, most_cores)).copy()
    up, down = np.zeros((count, boards + 1)), np.zeros((count, boards + 1))
    arrival = np.full((count, len(problem.flows), boards + 1), np.inf)

    def send(flow: int, source: Assignments, target: Assignments) -> None:
        departure = arrival[rows, flow, source]
        missing = np.isinf(arrival[rows, flow, target])
        seconds = t.wire[flow] / np.minimum(t.up[source], t.down[target])
        start = np.maximum(departure, np.maximum(up[rows, source], down[rows, target]))
        end = np.where(missing, start + seconds, 0.0)
        up[rows, source] = np.maximum(up[rows, source], end)
        down[rows, target] = np.maximum(down[rows, target], end)
        received = end + t.delay[source] + t.delay[target]
        arrival[rows, flow, target] = np.where(missing, received, arrival[rows, flow, target])

    def publish(flow: int, source: Assignments, ready: Floats) -> None:
        arrival[rows, flow, source] = ready
        for reader in problem.flows[flow].readers:
            send(flow, source, assignments[:, reader])
        if problem.flows[flow].returns:
            send(flow, source, np.full(count, boards))

    for number, flow in enumerate(problem.flows):
        if flow.producer is None:
            publish(number, np.full(count, boards), np.zeros(count))
    end = np.zeros(count)
    for piece, (inputs, needed, seconds, begins) in enumerate(_steps(problem, assignments)):
        board = assignments[:, piece]
        received = arrival[rows[:, None], inputs, board[:, None]]
        ready = received.max(axis=1, initial=0.0, where=needed)
        core = core_free[rows, board].argmin(axis=1)
        idle_since = core_free[rows, board, core]
        end = np.where(begins, np.maximum(ready, idle_since) + seconds, end)
        core_free[rows, board, core] = np.where(begins, end, idle_since)
        for number, flow in enumerate(problem.flows):
            if flow.producer == piece:
                publish(number, board, end)
    mask_arrival = arrival[:, t.masks, boards]
    return np.asarray(mask_arrival.max(axis=1), float)


def _steps(
    problem: Problem, assignments: Assignments
) -> Iterator[tuple[Assignments, NDArray[np.bool_], Floats, NDArray[np.bool_]]]:
    """Yield for each piece flows, which of them it waits for, its seconds, and whether it begins.

    The first piece of a run that will be merged waits for all inputs of the run and takes the
    seconds of all of it; the others do not begin.
    """
    t = arrays_of(problem)
    always = np.ones((len(assignments), 1), bool)
    if problem.merged is None:
        for piece, board in enumerate(assignments.T):
            yield np.flatnonzero(t.read_by[:, piece]), always, t.seconds[piece, board], always[:, 0]
        return
    runs = runs_of(assignments)
    for piece, board in enumerate(assignments.T):
        end = runs.end[:, piece]
        needed = (t.readers_before[end] > t.readers_before[piece]) & (
            t.images | (t.producer < piece)
        )
        seconds = t.seconds_before[end, board] - t.seconds_before[piece, board]
        yield np.arange(len(problem.flows)), needed, seconds, runs.first[:, piece]
