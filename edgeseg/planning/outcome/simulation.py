"""What happens when: a few slices followed through a lane, piece by piece and tensor by tensor."""

import heapq
import itertools
from bisect import insort
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from edgeseg.boards.link import Link
from edgeseg.boards.placement import Lane, handovers
from edgeseg.planning.outcome.gantt import BusyInterval, time_sharing_intervals
from edgeseg.planning.outcome.prediction import COORDINATOR, Prediction, assignments_of, predict
from edgeseg.planning.problem.problem import Problem

_COUNTED = 60
"""Slices that a rate is taken from, at least."""

_WARM_UP = 8
"""Slices before and behind that are not counted, beside two windows of them each."""


def timeline(problem: Problem, lane: Lane, slices: int = 3) -> tuple[BusyInterval, ...]:
    """Follow slices through a lane whose window bounds how many are in flight.

    A core that is free takes the piece with most handovers ahead, of equals that of the oldest
    slice, and of that slice what stands first in the partition. A transfer keeps two ways busy: one
    up, one down; what it takes of cores that are busy, pieces wait for.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    lane
        One of the lanes of a plan.
    slices
        How many to follow.

    Returns
    -------
    tuple of BusyInterval
        In the order in which they begin.
    """
    if lane.shifts:
        return time_sharing_intervals(problem, lane, slices)
    (row,) = assignments_of(problem, [lane]).tolist()
    run = _Run(problem, row, lane.window, slices)
    run.go()
    return tuple(sorted(run.bars, key=lambda bar: (bar.start, bar.index)))


def simulated(problem: Problem, lanes: Sequence[Lane]) -> Prediction:
    """Say what lanes would do, with rates at which slices were seen to come out of them.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    lanes
        At least one; no board may be in two.
    """
    return predict(problem, lanes, [steady_rate(problem, lane) for lane in lanes])


def steady_rate(problem: Problem, lane: Lane) -> float:
    """Return the slices a second of a lane that has been busy for a while.

    Counted are as many windows of slices as make a good average: what happens repeats from window
    to window.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    lane
        One of the lanes of a plan.
    """
    (row,) = assignments_of(problem, [lane]).tolist()
    return _steady_rate(problem, tuple(row), lane.window)


@lru_cache(maxsize=256)
def _steady_rate(problem: Problem, row: tuple[int, ...], window: int) -> float:
    counted = window * -(-_COUNTED // window)
    around = 2 * window + _WARM_UP
    run = _Run(problem, row, window, around + counted + around)
    run.go()
    return counted / (run.finished[around + counted] - run.finished[around])


class _Task(NamedTuple):
    """A piece to run, or a tensor to send to a machine; the smaller goes first."""

    behind: int
    slice: int
    position: int
    sends: bool
    number: int
    target: int


class _Run:
    """A clock, what is free, and what waits."""

    def __init__(self, problem: Problem, here: Sequence[int], window: int, slices: int) -> None:
        self._problem, self._here = problem, here
        self._window, self._slices = window, slices
        self._home = len(problem.boards)
        self._cores = [list(range(board.cores, 0, -1)) for board in problem.boards]
        self._owed = [0.0] * len(problem.boards)
        """Seconds that transfers have taken of cores that were all busy."""
        self._ways = {(m, part) for m in range(self._home + 1) for part in ("up", "down")}
        self._made: dict[int | None, list[int]] = {}
        for number, flow in enumerate(problem.flows):
            self._made.setdefault(flow.producer, []).append(number)
        self._inputs = [0] * len(problem.pieces)
        readers: list[list[int]] = [[] for _ in problem.pieces]
        for flow in problem.flows:
            for reader in flow.readers:
                self._inputs[reader] += 1
            if flow.producer is not None:
                readers[flow.producer].extend(flow.readers)
        self._ahead = handovers(readers, here)
        self._missing: dict[tuple[int, int], int] = {}
        self._waiting: list[_Task] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._now = 0.0
        self._departed = 0
        self.bars: list[BusyInterval] = []
        self.finished: list[float] = []

    def go(self) -> None:
        """Let all slices pass."""
        self._depart()
        self._start()
        while self._events:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
            if not self._events or self._events[0][0] > self._now:
                self._start()

    def _at(self, time: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._count), happen))

    def _depart(self) -> None:
        """Let slices depart while the window has room."""
        room = self._window + len(self.finished)
        while self._departed < min(self._slices, room):
            self._departed += 1
            for number in self._made[None]:
                self._publish(self._departed - 1, number, self._home)

    def _publish(self, index: int, number: int, source: int) -> None:
        """Send a tensor from where it is made to whoever needs it."""
        flow = self._problem.flows[number]
        position = -1 if flow.producer is None else flow.producer
        targets = [self._here[reader] for reader in flow.readers] + [self._home] * flow.returns
        for target in dict.fromkeys(targets):
            if target != source:
                insort(self._waiting, _Task(0, index, position, True, number, target))
        self._arrive(index, number, source)

    def _arrive(self, index: int, number: int, machine: int) -> None:
        """Note that a tensor is on a machine, and what that lets happen."""
        for reader in self._problem.flows[number].readers:
            if self._here[reader] == machine:
                key = (index, reader)
                self._missing[key] = self._missing.get(key, self._inputs[reader]) - 1
                if not self._missing[key]:
                    del self._missing[key]
                    behind = -self._ahead[reader]
                    insort(self._waiting, _Task(behind, index, reader, False, reader, machine))

    def _come_back(self) -> None:
        """Note that a mask is there: a slice is done."""
        self.finished.append(self._now)
        self._depart()

    def _start(self) -> None:
        self._waiting = [
            task
            for task in self._waiting
            if not (self._transfer(task) if task.sends else self._compute(task))
        ]

    def _compute(self, task: _Task) -> bool:
        if not self._cores[task.target]:
            return False
        piece = self._problem.pieces[task.number]
        end = self._now + piece.seconds[task.target] + self._owed[task.target]
        self._owed[task.target] = 0.0
        core = self._cores[task.target].pop()
        self._draw(task, task.target, f"core {core}", piece.name, end)
        self._at(end, lambda: self._computed(task, core))
        return True

    def _computed(self, task: _Task, core: int) -> None:
        self._cores[task.target].append(core)
        for number in self._made.get(task.number, ()):
            self._publish(task.slice, number, task.target)

    def _transfer(self, task: _Task) -> bool:
        flow = self._problem.flows[task.number]
        source = self._home if flow.producer is None else self._here[flow.producer]
        ways = {(source, "up"), (task.target, "down")}
        if not ways <= self._ways:
            return False
        sender, receiver = self._link(source), self._link(task.target)
        end = self._now + flow.wire_bytes / min(sender.up, receiver.down)
        self._ways -= ways
        for machine, part in ways:
            self._draw(task, machine, part, flow.name, end)
            self._charge(machine, flow.wire_bytes)
        self._at(end, lambda: self._ways.update(ways))
        arrival = end + sender.latency + receiver.latency
        if task.target == self._home:
            self._at(arrival, self._come_back)
        else:
            self._at(arrival, lambda: self._arrive(task.slice, task.number, task.target))
        return True

    def _charge(self, machine: int, count: int) -> None:
        """Let the next piece of a machine wait for what moving bytes takes of its busy cores."""
        if machine != self._home and not self._cores[machine]:
            self._owed[machine] += count * self._link(machine).toll

    def _link(self, machine: int) -> Link:
        return self._problem.coordinator if machine == self._home else self._problem.links[machine]

    def _draw(self, task: _Task, machine: int, part: str, what: str, end: float) -> None:
        boards = self._problem.boards
        name = COORDINATOR if machine == self._home else boards[machine].name
        self.bars.append(BusyInterval(name, part, task.slice, what, self._now, end))
