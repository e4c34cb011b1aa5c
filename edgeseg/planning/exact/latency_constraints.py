"""Rows of the linear program on the time from image to mask."""

import numpy as np

from edgeseg.planning.exact.formulation import Formulation


def limit_latency(model: Formulation, latency: int) -> None:
    """Demand that no path from image to mask takes longer than the variable ``latency``."""
    moves = _Moves(model)
    ends = [model.add_time() for _ in model.problem.pieces]
    for number, flow in enumerate(model.problem.flows):
        cost = _transfer(model, number)
        for reader in flow.readers:
            run = model.tables.seconds[reader] / model.second
            terms = {model.share[reader][b]: run[b] for b in model.boards}
            if flow.producer is None:
                terms = {v: terms[v] + cost[b] for b, v in enumerate(model.share[reader])}
            else:
                moved = moves.moved(flow.producer, reader)
                terms |= {ends[flow.producer]: 1, **{moved[b]: cost[b] for b in model.boards}}
                terms |= moves.queue(number, moved)
            model.program.at_most(0, {ends[reader]: -1, **terms})
    for number, producer in model.returns:
        t = model.tables
        back = t.wire[number] / np.minimum(t.up[:-1], t.down[-1]) + t.delay[:-1] + t.delay[-1]
        terms = {model.share[producer][b]: back[b] / model.second for b in model.boards}
        model.program.at_most(0, {latency: -1, ends[producer]: 1, **terms})


def _transfer(model: Formulation, flow: int) -> list[float]:
    """Least time for a flow to reach each board, in units."""
    t = model.tables
    image = model.problem.flows[flow].producer is None
    out, wait = (t.up[-1], t.delay[-1]) if image else (t.up[:-1].max(), t.delay[:-1].min())
    seconds = t.wire[flow] / np.minimum(t.down[:-1], out) + t.delay[:-1] + wait
    return list(seconds / model.second)


class _Moves:
    """Variables of what is on the way between boards, by producer and reader."""

    def __init__(self, model: Formulation) -> None:
        self._model = model
        self._known: dict[tuple[int, int], list[int]] = {}

    def queue(self, flow: int, moved: list[int]) -> dict[int, float]:
        """Add what a flow waits for at least: those that its producer sends before it."""
        t = self._model.tables
        flows = self._model.problem.flows
        producer = flows[flow].producer
        waits: dict[int, float] = {}
        for before in range(flow):
            if flows[before].producer == producer and producer is not None:
                both = self._model.program.variable()
                waits[both] = float(t.wire[before] / t.up[:-1].max() / self._model.second)
                for reader in flows[before].readers:
                    sent = [*moved, *self.moved(producer, reader)]
                    self._model.program.at_most(1, {both: -1, **dict.fromkeys(sent, 1.0)})
        return waits

    def moved(self, producer: int, reader: int) -> list[int]:
        """Add variables: whether the reader is on that board and the producer is not."""
        if (producer, reader) in self._known:
            return self._known[producer, reader]
        moved = self._known[producer, reader] = [
            self._model.program.variable() for _ in self._model.boards
        ]
        for b in self._model.boards:
            there, here = self._model.share[reader][b], self._model.share[producer][b]
            self._model.program.at_most(0, {moved[b]: -1, there: 1, here: -1})
        return moved
