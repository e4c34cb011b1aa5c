"""Rows of the linear program on what keeps cores and links busy."""

import numpy as np

from edgeseg.planning.exact.formulation import Formulation, Grid, grid


def limit_busy(model: Formulation, period: int) -> None:
    """Demand that no core and no link is busy for longer than the variable ``period``."""
    t, program = model.tables, model.program
    came = _came(model)
    sent = _sent(model, came)
    for b in model.boards:
        seconds = t.seconds[:, b] / t.cores[b] / model.second
        program.at_most(
            0, {period: -1, **{row[b]: seconds[p] for p, row in enumerate(model.share)}}
        )
        into = t.wire / t.down[b] / model.second
        program.at_most(0, {period: -1, **{row[b]: into[f] for f, row in enumerate(came)}})
        out = t.wire / t.up[b] / model.second
        back = {model.share[p][b]: out[f] for f, p in model.returns}
        program.at_most(0, {period: -1, **back, **{r[b]: out[f] for f, r in sent}})
    feed = t.wire / t.up[-1] / model.second
    images = np.flatnonzero(t.images).tolist()
    program.at_most(0, {period: -1, **{v: feed[image] for image in images for v in came[image]}})
    masks = float(t.wire[t.masks].sum() / t.down[-1] / model.second)
    program.at_most(-masks, {period: -1})


def _came(model: Formulation) -> Grid:
    """Add the part of the slices in which a flow comes to a board from elsewhere."""
    came = grid(model.program, len(model.problem.flows), len(model.boards))
    for flow, row in zip(model.problem.flows, came, strict=True):
        for reader in flow.readers:
            for b in model.boards:
                made = {} if flow.producer is None else {model.share[flow.producer][b]: -1.0}
                if flow.producer != reader:
                    model.program.at_most(0, {row[b]: -1, model.share[reader][b]: 1, **made})
    return came


def _sent(model: Formulation, came: Grid) -> list[tuple[int, list[int]]]:
    """Add, for flows that pieces make, how many copies of a slice's each board sends."""
    sent = []
    most = len(model.boards) - 1
    for number, flow in enumerate(model.problem.flows):
        if flow.producer is None or not flow.readers:
            continue
        copies = min(most, len(flow.readers))
        row = [model.program.variable(copies) for _ in model.boards]
        arrivals = came[number]
        model.program.at_most(0, {**dict.fromkeys(arrivals, 1.0), **dict.fromkeys(row, -1.0)})
        for b in model.boards:
            made = model.share[flow.producer][b]
            model.program.at_most(0, {row[b]: 1, made: -copies})
            for reader in flow.readers:
                model.program.at_most(0, {row[b]: -1, made: 1, model.share[reader][b]: -1})
        sent.append((number, row))
    return sent
