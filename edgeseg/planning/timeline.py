"""What happens when: a few slices followed through a lane, piece by piece and tensor by tensor."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from edgeseg.placement import Lane
from edgeseg.planning.prediction import COORDINATOR, assignments_of
from edgeseg.planning.problem import Problem
from edgeseg.planning.scores import tables_of


@dataclass(frozen=True)
class Bar:
    """A core, or one way of a link, at work on a slice.

    Parameters
    ----------
    machine
        Name of the board, or ``coordinator``.
    part
        ``core 1`` and so on, ``up`` or ``down``.
    index
        Number of the slice.
    what
        The piece that runs or the tensor that travels.
    start, end
        Seconds since the first slice departed.
    """

    machine: str
    part: str
    index: int
    what: str
    start: float
    end: float


def timeline(problem: Problem, lane: Lane, slices: int = 3) -> tuple[Bar, ...]:
    """Follow slices through a lane whose window bounds how many are in flight.

    Whatever is free takes the oldest slice that waits for it, and of that slice what stands
    first in the partition. A transfer keeps two ways busy: one up, one down.

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
    tuple of Bar
        In the order in which they begin.
    """
    return _Run(problem, lane, slices).bars()


@dataclass(frozen=True, order=True)
class _Task:
    """A piece to run, or a tensor to send to a machine; the smaller goes first."""

    index: int
    position: int
    sends: bool
    number: int
    target: int


class _Run:
    """A clock, what is free, and what waits."""

    def __init__(self, problem: Problem, lane: Lane, slices: int) -> None:
        self._problem, self._lane, self._slices = problem, lane, slices
        self._tables = tables_of(problem)
        self._here: list[int] = assignments_of(problem, [lane])[0].tolist()
        self._home = len(problem.boards)
        self._cores = [list(range(board.cores, 0, -1)) for board in problem.boards]
        self._ways = {(m, part) for m in range(self._home + 1) for part in ("up", "down")}
        self._there: set[tuple[int, int, int]] = set()
        self._waiting: set[_Task] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._now = 0.0
        self._departed = self._done = 0
        self._bars: list[Bar] = []

    def bars(self) -> tuple[Bar, ...]:
        self._depart()
        self._start()
        while self._events:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
            if not self._events or self._events[0][0] > self._now:
                self._start()
        return tuple(sorted(self._bars, key=lambda bar: (bar.start, bar.index)))

    def _at(self, time: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._count), happen))

    def _depart(self) -> None:
        """Let slices depart while the window has room."""
        while self._departed < self._slices and self._departed - self._done < self._lane.window:
            self._departed += 1
            for number, flow in enumerate(self._problem.flows):
                if flow.producer is None:
                    self._arrive(self._departed - 1, number, self._home)

    def _arrive(self, index: int, number: int, machine: int) -> None:
        """Note that a tensor is on a machine, and what that lets happen."""
        self._there.add((index, number, machine))
        flow = self._problem.flows[number]
        if machine == self._home and flow.producer is not None:
            self._done += 1
            self._depart()
            return
        position = -1 if flow.producer is None else flow.producer
        if machine == (self._home if flow.producer is None else self._here[flow.producer]):
            targets = [self._here[reader] for reader in flow.readers]
            targets += [self._home] * flow.returns
            for target in dict.fromkeys(targets):
                if target != machine:
                    self._waiting.add(_Task(index, position, True, number, target))
        for reader in flow.readers:
            if self._here[reader] == machine and self._ready(index, reader):
                self._waiting.add(_Task(index, reader, False, reader, machine))

    def _ready(self, index: int, piece: int) -> bool:
        return all(
            (index, number, self._here[piece]) in self._there
            for number, flow in enumerate(self._problem.flows)
            if piece in flow.readers
        )

    def _start(self) -> None:
        for task in sorted(self._waiting):
            if self._transfer(task) if task.sends else self._compute(task):
                self._waiting.remove(task)

    def _compute(self, task: _Task) -> bool:
        if not self._cores[task.target]:
            return False
        end = self._now + float(self._tables.seconds[task.number, task.target])
        core = self._cores[task.target].pop()
        self._draw(task, task.target, f"core {core}", self._problem.pieces[task.number].name, end)
        self._at(end, lambda: self._computed(task, core))
        return True

    def _computed(self, task: _Task, core: int) -> None:
        self._cores[task.target].append(core)
        for number, flow in enumerate(self._problem.flows):
            if flow.producer == task.number:
                self._arrive(task.index, number, task.target)

    def _transfer(self, task: _Task) -> bool:
        flow = self._problem.flows[task.number]
        source = self._home if flow.producer is None else self._here[flow.producer]
        ways = {(source, "up"), (task.target, "down")}
        if not ways <= self._ways:
            return False
        t = self._tables
        end = self._now + float(t.wire[task.number] / min(t.up[source], t.down[task.target]))
        self._ways -= ways
        for machine, part in ways:
            self._draw(task, machine, part, flow.name, end)
        self._at(end, lambda: self._ways.update(ways))
        arrival = end + float(t.delay[source] + t.delay[task.target])
        self._at(arrival, lambda: self._arrive(task.index, task.number, task.target))
        return True

    def _draw(self, task: _Task, machine: int, part: str, what: str, end: float) -> None:
        boards = self._problem.boards
        name = COORDINATOR if machine == self._home else boards[machine].name
        self._bars.append(Bar(name, part, task.index, what, self._now, end))
