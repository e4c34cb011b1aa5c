"""Constraints on the time from image to mask."""

import numpy as np

from edgeseg.planning.exact.formulation import Formulation


def limit_latency(model: Formulation, latency: int) -> None:
    """Require that no path from image to mask takes longer than the variable ``latency``."""
    moves = _Moves(model)
    ends = [model.add_unbounded() for _ in model.problem.pieces]
    for number, flow in enumerate(model.problem.flows):
        transfer = _transfer(model, number)
        for reader in flow.readers:
            seconds = model.arrays.seconds[reader] / model.second
            terms = {model.share[reader][b]: seconds[b] for b in model.boards}
            if flow.producer is None:
                terms = {v: terms[v] + transfer[b] for b, v in enumerate(model.share[reader])}
            else:
                moved = moves.moved(flow.producer, reader)
                terms |= {ends[flow.producer]: 1, **{moved[b]: transfer[b] for b in model.boards}}
                terms |= moves.queue(number, moved)
            model.program.at_most(0, {ends[reader]: -1, **terms})
    for number, producer in model.returns:
        t = model.arrays
        back = t.wire[number] / np.minimum(t.up[:-1], t.down[-1]) + t.delay[:-1] + t.delay[-1]
        terms = {model.share[producer][b]: back[b] / model.second for b in model.boards}
        model.program.at_most(0, {latency: -1, ends[producer]: 1, **terms})


def _transfer(model: Formulation, flow: int) -> list[float]:
    """Return the least time for a flow to reach each board, (B,), in units of time."""
    t = model.arrays
    image = model.problem.flows[flow].producer is None
    rate, delay = (t.up[-1], t.delay[-1]) if image else (t.up[:-1].max(), t.delay[:-1].min())
    seconds = t.wire[flow] / np.minimum(t.down[:-1], rate) + t.delay[:-1] + delay
    return list(seconds / model.second)


class _Moves:
    """Variables of the transfers between boards, by producer and reader."""

    def __init__(self, model: Formulation) -> None:
        self._model = model
        self._variables: dict[tuple[int, int], list[int]] = {}

    def queue(self, flow: int, moved: list[int]) -> dict[int, float]:
        """Return the terms of the time that a flow waits for others of its producer."""
        t = self._model.arrays
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
        """Return variables of whether the reader is on a board and the producer is not, (B,)."""
        if (producer, reader) in self._variables:
            return self._variables[producer, reader]
        moved = self._variables[producer, reader] = [
            self._model.program.variable() for _ in self._model.boards
        ]
        for b in self._model.boards:
            reads, produces = self._model.share[reader][b], self._model.share[producer][b]
            self._model.program.at_most(0, {moved[b]: -1, reads: 1, produces: -1})
        return moved
