"""How long one slice takes through many assignments of pieces to boards, worked out at once."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.merged_runs import runs_of
from edgeseg.planning.problem.problem import Problem


def latencies(problem: Problem, assignments: Assignments) -> Floats:
    """Seconds from a slice's departure to its mask when nothing else is in flight, (N,).

    Pieces take the cores and tensors the links in the order of the partition; a transfer keeps
    the sender's way up and the receiver's way down busy until it is through. A run that is to
    become one piece waits for all that it reads, and sends when all of it is done.
    """
    t = arrays_of(problem)
    count, boards = len(assignments), len(problem.boards)
    rows = np.arange(count)
    most = int(t.cores.max())
    cores = np.where(np.arange(most) < t.cores[:, None], 0.0, np.inf)
    free = np.broadcast_to(cores, (count, boards, most)).copy()
    up, down = np.zeros((count, boards + 1)), np.zeros((count, boards + 1))
    there = np.full((count, len(problem.flows), boards + 1), np.inf)

    def send(flow: int, source: Assignments, target: Assignments) -> None:
        made = there[rows, flow, source]
        missing = np.isinf(there[rows, flow, target])
        seconds = t.wire[flow] / np.minimum(t.up[source], t.down[target])
        start = np.maximum(made, np.maximum(up[rows, source], down[rows, target]))
        end = np.where(missing, start + seconds, 0.0)
        up[rows, source] = np.maximum(up[rows, source], end)
        down[rows, target] = np.maximum(down[rows, target], end)
        arrived = end + t.delay[source] + t.delay[target]
        there[rows, flow, target] = np.where(missing, arrived, there[rows, flow, target])

    def publish(flow: int, source: Assignments, ready: Floats) -> None:
        there[rows, flow, source] = ready
        for reader in problem.flows[flow].readers:
            send(flow, source, assignments[:, reader])
        if problem.flows[flow].returns:
            send(flow, source, np.full(count, boards))

    for number, flow in enumerate(problem.flows):
        if flow.producer is None:
            publish(number, np.full(count, boards), np.zeros(count))
    end = np.zeros(count)
    for piece, (inputs, needed, seconds, begins) in enumerate(_steps(problem, assignments)):
        here = assignments[:, piece]
        arrived = there[rows[:, None], inputs, here[:, None]]
        ready = arrived.max(axis=1, initial=0.0, where=needed)
        core = free[rows, here].argmin(axis=1)
        since = free[rows, here, core]
        end = np.where(begins, np.maximum(ready, since) + seconds, end)
        free[rows, here, core] = np.where(begins, end, since)
        for number, flow in enumerate(problem.flows):
            if flow.producer == piece:
                publish(number, here, end)
    masks = there[:, t.masks, boards]
    return np.asarray(masks.max(axis=1), float)


def _steps(
    problem: Problem, assignments: Assignments
) -> Iterator[tuple[Assignments, NDArray[np.bool_], Floats, NDArray[np.bool_]]]:
    """Yield for each piece flows, which of them it waits for, its seconds, whether it is a start.

    The start of a run that is to become one piece waits for all of it and takes its seconds.
    """
    t = arrays_of(problem)
    always = np.ones((len(assignments), 1), bool)
    if problem.merged is None:
        for piece, here in enumerate(assignments.T):
            yield np.flatnonzero(t.read[:, piece]), always, t.seconds[piece, here], always[:, 0]
        return
    runs = runs_of(assignments)
    for piece, here in enumerate(assignments.T):
        end = runs.end[:, piece]
        needed = (t.read_before[end] > t.read_before[piece]) & (t.images | (t.maker < piece))
        seconds = t.seconds_before[end, here] - t.seconds_before[piece, here]
        yield np.arange(len(problem.flows)), needed, seconds, runs.first[:, piece]
