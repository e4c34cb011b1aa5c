"""The planning problem as a linear program: pieces, tensors on links, bytes on boards.

Two readings of the same rows. For one lane every piece has one board, and the program is exact
but for the latency, which leaves out that pieces and transfers wait for each other. For any
number of lanes, replicas among them, a piece has a share of the slices on each board and is
stored wherever that share is not zero: a relaxation, whose least cost no placement is below.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgeseg.planning.linear import Program
from edgeseg.planning.problem import Problem
from edgeseg.planning.scores import Tables, tables_of

Grid = list[list[int]]
"""Numbers of variables by piece or flow, then board."""


@dataclass(frozen=True)
class Model:
    """A program under construction; build it with :func:`one_lane` or :func:`any_lanes`.

    Parameters
    ----------
    share
        Part of the slices whose piece p runs on board b, (P, B).
    stored
        Whether board b holds piece p, (P, B); the same variables where there is one lane.
    second, byte
        Units of the program, such that its figures are around one.
    """

    problem: Problem
    program: Program
    share: Grid
    stored: Grid

    @property
    def boards(self) -> range:
        """Numbers of the boards."""
        return range(len(self.problem.boards))

    @cached_property
    def tables(self) -> Tables:
        """The problem as arrays."""
        return tables_of(self.problem)

    @cached_property
    def second(self) -> float:
        """Unit of time: all pieces on one average core."""
        return float(self.tables.seconds.sum(axis=0).mean())

    @cached_property
    def byte(self) -> float:
        """Unit of memory: the largest limit."""
        return max(float(self.tables.limit.max()), 1.0)

    def add_time(self) -> int:
        """Add a variable of seconds."""
        return self.program.variable(np.inf)

    def limit_busy(self, period: int) -> None:
        """Demand that no core and no link is busy for longer than the variable ``period``."""
        t, program = self.tables, self.program
        for b in self.boards:
            seconds = t.seconds[:, b] / t.cores[b] / self.second
            program.at_most(
                0, {period: -1, **{row[b]: seconds[p] for p, row in enumerate(self.share)}}
            )
            into = t.wire / t.down[b] / self.second
            program.at_most(
                0, {period: -1, **{row[b]: into[f] for f, row in enumerate(self._came)}}
            )
            out = t.wire / t.up[b] / self.second
            back = {self.share[p][b]: out[f] for f, p in self._returns}
            program.at_most(0, {period: -1, **back, **{r[b]: out[f] for f, r in self._sent}})
        feed = t.wire / t.up[-1] / self.second
        images = np.flatnonzero(t.images).tolist()
        program.at_most(
            0, {period: -1, **{v: feed[image] for image in images for v in self._came[image]}}
        )
        masks = float(t.wire[t.masks].sum() / t.down[-1] / self.second)
        program.at_most(-masks, {period: -1})

    def limit_latency(self, latency: int) -> None:
        """Demand that no path from image to mask takes longer than the variable ``latency``."""
        ends = [self.add_time() for _ in self.problem.pieces]
        for number, flow in enumerate(self.problem.flows):
            cost = self._transfer(number)
            for reader in flow.readers:
                run = self.tables.seconds[reader] / self.second
                terms = {self.share[reader][b]: run[b] for b in self.boards}
                if flow.producer is None:
                    terms = {v: terms[v] + cost[b] for b, v in enumerate(self.share[reader])}
                else:
                    moved = self._moved(flow.producer, reader)
                    terms |= {ends[flow.producer]: 1, **{moved[b]: cost[b] for b in self.boards}}
                    terms |= self._queue(number, moved)
                self.program.at_most(0, {ends[reader]: -1, **terms})
        for number, producer in self._returns:
            t = self.tables
            back = t.wire[number] / np.minimum(t.up[:-1], t.down[-1]) + t.delay[:-1] + t.delay[-1]
            terms = {self.share[producer][b]: back[b] / self.second for b in self.boards}
            self.program.at_most(0, {latency: -1, ends[producer]: 1, **terms})

    def limit_memory(self, window: int) -> None:
        """Demand that every board has room for its pieces and ``window`` slices."""
        for board, terms in self._needs(window):
            self.program.at_most(self._room(board), terms)

    def limit_lack(self, window: int, lack: int) -> None:
        """Demand that no board lacks more bytes than the variable ``lack``."""
        for board, terms in self._needs(window):
            self.program.at_most(self._room(board), {lack: -1, **terms})

    def limit_need(self, window: int, need: int) -> None:
        """Demand that no board that runs anything needs more bytes than the variable ``need``."""
        used = [self.program.variable() for _ in self.boards]
        for row in self.stored:
            for b in self.boards:
                self.program.at_most(0, {row[b]: 1, used[b]: -1})
        for board, terms in self._needs(window):
            base = self.tables.base[board] / self.byte
            self.program.at_most(0, {need: -1, used[board]: base, **terms})

    def limit_in_flight(self, period: int, latency: float, at_least: float) -> None:
        """Demand room for the slices in flight that the period takes (Little's law).

        A lane of rate *r* and window *w* has *w >= r x latency*; its tensors take *w* times
        their bytes, next to the pieces. The product of period and stored bytes is replaced by
        the least that it can be.

        Parameters
        ----------
        period
            The variable of the seconds between two slices.
        latency
            Seconds of one slice that no lane is below.
        at_least
            Seconds that the period is known not to be below.
        """
        kept = self._touching(self.share)
        held = self.tables.held / self.byte * latency / self.second
        resident = self.tables.resident / self.byte * at_least / self.second
        for b in self.boards:
            terms = {row[b]: held[f] for f, row in enumerate(kept)}
            terms |= {row[b]: resident[p] for p, row in enumerate(self.stored)}
            self.program.at_most(0, {period: -self._room(b), **terms})

    @cached_property
    def _moves(self) -> dict[tuple[int, int], list[int]]:
        """Variables of :meth:`_moved`, by producer and reader."""
        return {}

    @cached_property
    def _returns(self) -> list[tuple[int, int]]:
        """Number and producer of every flow that goes back to the coordinator."""
        flows = enumerate(self.problem.flows)
        return [(n, f.producer) for n, f in flows if f.returns and f.producer is not None]

    @cached_property
    def _came(self) -> Grid:
        """Part of the slices in which a flow comes to a board from elsewhere."""
        came = grid(self.program, len(self.problem.flows), len(self.boards))
        for flow, row in zip(self.problem.flows, came, strict=True):
            for reader in flow.readers:
                for b in self.boards:
                    made = {} if flow.producer is None else {self.share[flow.producer][b]: -1.0}
                    if flow.producer != reader:
                        self.program.at_most(0, {row[b]: -1, self.share[reader][b]: 1, **made})
        return came

    @cached_property
    def _sent(self) -> list[tuple[int, list[int]]]:
        """Copies a slice that a board sends of each flow that some piece makes."""
        sent = []
        most = len(self.boards) - 1
        for number, flow in enumerate(self.problem.flows):
            if flow.producer is None or not flow.readers:
                continue
            copies = min(most, len(flow.readers))
            row = [self.program.variable(copies) for _ in self.boards]
            arrivals = self._came[number]
            self.program.at_most(0, {**dict.fromkeys(arrivals, 1.0), **dict.fromkeys(row, -1.0)})
            for b in self.boards:
                made = self.share[flow.producer][b]
                self.program.at_most(0, {row[b]: 1, made: -copies})
                for reader in flow.readers:
                    self.program.at_most(0, {row[b]: -1, made: 1, self.share[reader][b]: -1})
            sent.append((number, row))
        return sent

    def _transfer(self, flow: int) -> list[float]:
        """Least time for a flow to reach each board, in units."""
        t = self.tables
        image = self.problem.flows[flow].producer is None
        out, wait = (t.up[-1], t.delay[-1]) if image else (t.up[:-1].max(), t.delay[:-1].min())
        seconds = t.wire[flow] / np.minimum(t.down[:-1], out) + t.delay[:-1] + wait
        return list(seconds / self.second)

    def _queue(self, flow: int, moved: list[int]) -> dict[int, float]:
        """Add what a flow waits for at least: those that its producer sends before it."""
        t = self.tables
        flows = self.problem.flows
        producer = flows[flow].producer
        waits: dict[int, float] = {}
        for before in range(flow):
            if flows[before].producer == producer and producer is not None:
                both = self.program.variable()
                waits[both] = float(t.wire[before] / t.up[:-1].max() / self.second)
                for reader in flows[before].readers:
                    sent = [*moved, *self._moved(producer, reader)]
                    self.program.at_most(1, {both: -1, **dict.fromkeys(sent, 1.0)})
        return waits

    def _moved(self, producer: int, reader: int) -> list[int]:
        """Add variables: whether the reader is on that board and the producer is not."""
        if (producer, reader) in self._moves:
            return self._moves[producer, reader]
        moved = self._moves[producer, reader] = [self.program.variable() for _ in self.boards]
        for b in self.boards:
            there, here = self.share[reader][b], self.share[producer][b]
            self.program.at_most(0, {moved[b]: -1, there: 1, here: -1})
        return moved

    def _touching(self, placed: Grid) -> Grid:
        """Add variables: whether a flow takes memory on a board."""
        kept = grid(self.program, len(self.problem.flows), len(self.boards))
        for flow, row in zip(self.problem.flows, kept, strict=True):
            for piece in flow.touched_by:
                for b in self.boards:
                    self.program.at_most(0, {row[b]: -1, placed[piece][b]: 1})
        return kept

    def _needs(self, window: int) -> Iterator[tuple[int, dict[int, float]]]:
        """Yield what a board needs on top of its base, at work and at each step of loading."""
        t, order = self.tables, self.problem.loading
        kept = self._touching(self.stored)
        for b in self.boards:
            held = {row[b]: window * t.held[f] / self.byte for f, row in enumerate(kept)}
            before: dict[int, float] = {}
            for piece in order:
                variable = self.stored[piece][b]
                yield b, {**before, variable: t.peak[piece] / self.byte}
                before[variable] = t.resident[piece] / self.byte
            yield b, {**before, **held}

    def _room(self, board: int) -> float:
        return float(self.tables.limit[board] - self.tables.base[board]) / self.byte


def one_lane(problem: Problem) -> Model:
    """Start the program of one lane: every piece on one board."""
    program = Program()
    placed = grid(program, len(problem.pieces), len(problem.boards), whole=True)
    model = Model(problem, program, placed, placed)
    _place_all(model)
    _order_alike(model)
    return model


def any_lanes(problem: Problem) -> Model:
    """Start the program of any lanes, in which a piece may even be stored in part."""
    program = Program()
    share = grid(program, len(problem.pieces), len(problem.boards))
    model = Model(problem, program, share, share)
    _place_all(model)
    return model


def grid(program: Program, rows: int, columns: int, *, whole: bool = False) -> Grid:
    """Add variables from 0 to 1 for every row and board."""
    return [[program.variable(whole=whole) for _ in range(columns)] for _ in range(rows)]


def _place_all(model: Model) -> None:
    """Demand that each piece runs somewhere for every slice."""
    for row in model.share:
        model.program.at_most(1, dict.fromkeys(row, 1.0))
        model.program.at_most(-1, dict.fromkeys(row, -1.0))


def _order_alike(model: Model) -> None:
    """Of two boards that are alike, let the first hold the earliest piece of both.

    They could change names in any placement, so that none is lost but for names.
    """
    last: dict[object, int] = {}
    for board in model.boards:
        kind = model.problem.kind(board)
        if kind in last:
            earlier = [row[last[kind]] for row in model.stored]
            for piece, row in enumerate(model.stored):
                before = earlier[:piece]
                model.program.at_most(0, {row[board]: 1, **dict.fromkeys(before, -1.0)})
        last[kind] = board
