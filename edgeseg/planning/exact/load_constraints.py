"""Constraints on the load of cores and links."""

import numpy as np

from edgeseg.planning.exact.formulation import Formulation, Grid, grid


def limit_busy(model: Formulation, period: int) -> None:
    """Require that no core and no link is busy for longer a slice than the variable ``period``."""
    t, program = model.arrays, model.program
    received = _received(model)
    sent = _sent(model, received)
    for b in model.boards:
        seconds = t.seconds[:, b] / t.cores[b] / model.second
        program.at_most(
            0, {period: -1, **{row[b]: seconds[p] for p, row in enumerate(model.share)}}
        )
        into = t.wire / t.down[b] / model.second
        program.at_most(0, {period: -1, **{row[b]: into[f] for f, row in enumerate(received)}})
        out = t.wire / t.up[b] / model.second
        back = {model.share[p][b]: out[f] for f, p in model.returns}
        program.at_most(0, {period: -1, **back, **{r[b]: out[f] for f, r in sent}})
    feed = t.wire / t.up[-1] / model.second
    images = np.flatnonzero(t.images).tolist()
    program.at_most(
        0, {period: -1, **{v: feed[image] for image in images for v in received[image]}}
    )
    masks = float(t.wire[t.masks].sum() / t.down[-1] / model.second)
    program.at_most(-masks, {period: -1})


def _received(model: Formulation) -> Grid:
    """Add variables of the share of slices for which a board receives each flow, (F, B)."""
    received = grid(model.program, len(model.problem.flows), len(model.boards))
    for flow, row in zip(model.problem.flows, received, strict=True):
        for reader in flow.readers:
            for b in model.boards:
                produced = {} if flow.producer is None else {model.share[flow.producer][b]: -1.0}
                if flow.producer != reader:
                    model.program.at_most(0, {row[b]: -1, model.share[reader][b]: 1, **produced})
    return received


def _sent(model: Formulation, received: Grid) -> list[tuple[int, list[int]]]:
    """Add variables of the copies a slice that each board sends of the flows pieces produce.

    Returns
    -------
    list of (int, list of int)
        Number of the flow, and the variable of each board.
    """
    sent = []
    other_boards = len(model.boards) - 1
    for number, flow in enumerate(model.problem.flows):
        if flow.producer is None or not flow.readers:
            continue
        copies = min(other_boards, len(flow.readers))
        row = [model.program.variable(copies) for _ in model.boards]
        arrivals = received[number]
        model.program.at_most(0, {**dict.fromkeys(arrivals, 1.0), **dict.fromkeys(row, -1.0)})
        for b in model.boards:
            produced = model.share[flow.producer][b]
            model.program.at_most(0, {row[b]: 1, produced: -copies})
            for reader in flow.readers:
                model.program.at_most(0, {row[b]: -1, produced: 1, model.share[reader][b]: -1})
        sent.append((number, row))
    return sent
