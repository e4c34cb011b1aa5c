"""Event simulation of slices through a lane, piece by piece and tensor by tensor."""

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
"""Slices that a rate is measured over, at least."""

_WARM_UP = 8
"""Slices before and after that are not counted, beside two times those in flight."""


def timeline(problem: Problem, lane: Lane, slices: int = 3) -> tuple[BusyInterval, ...]:
    """Return when the cores and links of a lane are busy with the first slices.

    An idle core takes the piece with the most handovers ahead, of equals that of the oldest
    slice, and of one slice the first piece of the partition. A transfer keeps one uplink and one
    downlink busy; the time that it takes from busy cores delays their next piece.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    lane
        One of the lanes of a plan.
    slices
        How many pass.

    Returns
    -------
    tuple of BusyInterval
        In the order of their starts.
    """
    if lane.shifts:
        return time_sharing_intervals(problem, lane, slices)
    (row,) = assignments_of(problem, [lane]).tolist()
    run = _Simulation(problem, row, lane.window, slices)
    run.run()
    return tuple(sorted(run.intervals, key=lambda interval: (interval.start, interval.index)))


def simulated(problem: Problem, lanes: Sequence[Lane]) -> Prediction:
    """Return the prediction for lanes, with their simulated rates.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    lanes
        At least one; no board may be in two.
    """
    return predict(problem, lanes, [steady_rate(problem, lane) for lane in lanes])


def steady_rate(problem: Problem, lane: Lane) -> float:
    """Return the simulated slices a second of a lane in steady state.

    They are counted over a multiple of the slices in flight, with which the schedule repeats.

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
def _steady_rate(problem: Problem, row: tuple[int, ...], in_flight: int) -> float:
    counted = in_flight * -(-_COUNTED // in_flight)
    around = 2 * in_flight + _WARM_UP
    run = _Simulation(problem, row, in_flight, around + counted + around)
    run.run()
    return counted / (run.finished[around + counted] - run.finished[around])


class _Task(NamedTuple):
    """A piece to run, or a tensor to send to a machine; the least goes first.

    Its order is by handovers ahead (negative), by slice, and by place in the partition.
    """

    priority: int
    slice: int
    position: int
    sends: bool
    number: int
    target: int


class _Simulation:
    """The simulated time, the idle cores and links, the tasks that wait and the events to come."""

    def __init__(self, problem: Problem, row: Sequence[int], in_flight: int, slices: int) -> None:
        self._problem, self._row = problem, row
        self._in_flight, self._slices = in_flight, slices
        self._coordinator = len(problem.boards)
        self._cores = [list(range(board.cores, 0, -1)) for board in problem.boards]
        self._owed = [0.0] * len(problem.boards)
        """Seconds that transfers took from each board while all of its cores were busy."""
        self._idle_links = {
            (m, part) for m in range(self._coordinator + 1) for part in ("up", "down")
        }
        self._produced: dict[int | None, list[int]] = {}
        for number, flow in enumerate(problem.flows):
            self._produced.setdefault(flow.producer, []).append(number)
        self._inputs = [0] * len(problem.pieces)
        readers: list[list[int]] = [[] for _ in problem.pieces]
        for flow in problem.flows:
            for reader in flow.readers:
                self._inputs[reader] += 1
            if flow.producer is not None:
                readers[flow.producer].extend(flow.readers)
        self._handovers = handovers(readers, row)
        self._missing: dict[tuple[int, int], int] = {}
        self._waiting: list[_Task] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._now = 0.0
        self._departed = 0
        self.intervals: list[BusyInterval] = []
        self.finished: list[float] = []

    def run(self) -> None:
        """Simulate until all slices are done."""
        self._depart()
        self._start()
        while self._events:
            self._now, _, event = heapq.heappop(self._events)
            event()
            if not self._events or self._events[0][0] > self._now:
                self._start()

    def _schedule(self, moment: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._count), event))

    def _depart(self) -> None:
        """Let slices depart while fewer than allowed are in flight."""
        allowed = self._in_flight + len(self.finished)
        while self._departed < min(self._slices, allowed):
            self._departed += 1
            for number in self._produced[None]:
                self._publish(self._departed - 1, number, self._coordinator)

    def _publish(self, index: int, number: int, source: int) -> None:
        """Send a tensor from its producer to every machine that needs it."""
        flow = self._problem.flows[number]
        position = -1 if flow.producer is None else flow.producer
        targets = [self._row[reader] for reader in flow.readers] + [
            self._coordinator
        ] * flow.returns
        for target in dict.fromkeys(targets):
            if target != source:
                insort(self._waiting, _Task(0, index, position, True, number, target))
        self._arrive(index, number, source)

    def _arrive(self, index: int, number: int, machine: int) -> None:
        """Count a tensor as present on a machine; queue the pieces that have all their inputs."""
        for reader in self._problem.flows[number].readers:
            if self._row[reader] == machine:
                key = (index, reader)
                self._missing[key] = self._missing.get(key, self._inputs[reader]) - 1
                if not self._missing[key]:
                    del self._missing[key]
                    priority = -self._handovers[reader]
                    insort(self._waiting, _Task(priority, index, reader, False, reader, machine))

    def _finish_slice(self) -> None:
        """Count a slice as done, as its mask has arrived."""
        self.finished.append(self._now)
        self._depart()

    def _start(self) -> None:
        """Start the tasks whose core or links are idle, in their order."""
        self._waiting = [
            task
            for task in self._waiting
            if not (self._transfer(task) if task.sends else self._compute(task))
        ]

    def _compute(self, task: _Task) -> bool:
        """Start a piece if a core of its board is idle; return whether it started."""
        if not self._cores[task.target]:
            return False
        piece = self._problem.pieces[task.number]
        end = self._now + piece.seconds[task.target] + self._owed[task.target]
        self._owed[task.target] = 0.0
        core = self._cores[task.target].pop()
        self._record(task, task.target, f"core {core}", piece.name, end)
        self._schedule(end, lambda: self._computed(task, core))
        return True

    def _computed(self, task: _Task, core: int) -> None:
        self._cores[task.target].append(core)
        for number in self._produced.get(task.number, ()):
            self._publish(task.slice, number, task.target)

    def _transfer(self, task: _Task) -> bool:
        """Start a transfer if both links are idle; return whether it started."""
        flow = self._problem.flows[task.number]
        source = self._coordinator if flow.producer is None else self._row[flow.producer]
        links = {(source, "up"), (task.target, "down")}
        if not links <= self._idle_links:
            return False
        sender, receiver = self._link(source), self._link(task.target)
        end = self._now + flow.wire_bytes / min(sender.up, receiver.down)
        self._idle_links -= links
        for machine, part in links:
            self._record(task, machine, part, flow.name, end)
            self._charge(machine, flow.wire_bytes)
        self._schedule(end, lambda: self._idle_links.update(links))
        arrival = end + sender.latency + receiver.latency
        if task.target == self._coordinator:
            self._schedule(arrival, self._finish_slice)
        else:
            self._schedule(arrival, lambda: self._arrive(task.slice, task.number, task.target))
        return True

    def _charge(self, machine: int, count: int) -> None:
        """Delay the next piece of a machine by the time that bytes take from its busy cores."""
        if machine != self._coordinator and not self._cores[machine]:
            self._owed[machine] += count * self._link(machine).toll

    def _link(self, machine: int) -> Link:
        return (
            self._problem.coordinator
            if machine == self._coordinator
            else self._problem.links[machine]
        )

    def _record(self, task: _Task, machine: int, part: str, what: str, end: float) -> None:
        boards = self._problem.boards
        name = COORDINATOR if machine == self._coordinator else boards[machine].name
        self.intervals.append(BusyInterval(name, part, task.slice, what, self._now, end))
