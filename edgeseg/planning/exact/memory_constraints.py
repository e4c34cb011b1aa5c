"""Rows of the linear program on the bytes of every board."""

from collections.abc import Iterator

from edgeseg.planning.exact.formulation import Formulation, Grid, grid


def limit_memory(model: Formulation, window: int) -> None:
    """Demand that every board has room for its pieces and ``window`` slices."""
    for board, terms in _needs(model, window):
        model.program.at_most(_room(model, board), terms)


def limit_lack(model: Formulation, window: int, lack: int) -> None:
    """Demand that no board lacks more bytes than the variable ``lack``."""
    for board, terms in _needs(model, window):
        model.program.at_most(_room(model, board), {lack: -1, **terms})


def limit_need(model: Formulation, window: int, need: int) -> None:
    """Demand that no board that runs anything needs more bytes than the variable ``need``."""
    used = [model.program.variable() for _ in model.boards]
    for row in model.stored:
        for b in model.boards:
            model.program.at_most(0, {row[b]: 1, used[b]: -1})
    for board, terms in _needs(model, window):
        base = model.tables.base[board] / model.byte
        model.program.at_most(0, {need: -1, used[board]: base, **terms})


def limit_in_flight(model: Formulation, period: int, latency: float, at_least: float) -> None:
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
    kept = _touching(model, model.share)
    held = model.tables.held / model.byte * latency / model.second
    resident = model.tables.resident / model.byte * at_least / model.second
    for b in model.boards:
        terms = {row[b]: held[f] for f, row in enumerate(kept)}
        terms |= {row[b]: resident[p] for p, row in enumerate(model.stored)}
        model.program.at_most(0, {period: -_room(model, b), **terms})


def _touching(model: Formulation, placed: Grid) -> Grid:
    """Add variables: whether a flow takes memory on a board."""
    kept = grid(model.program, len(model.problem.flows), len(model.boards))
    for flow, row in zip(model.problem.flows, kept, strict=True):
        for piece in flow.touched_by:
            for b in model.boards:
                model.program.at_most(0, {row[b]: -1, placed[piece][b]: 1})
    return kept


def _needs(model: Formulation, window: int) -> Iterator[tuple[int, dict[int, float]]]:
    """Yield what a board needs on top of its base, at work and at each step of loading."""
    t, order = model.tables, model.problem.loading
    kept = _touching(model, model.stored)
    for b in model.boards:
        held = {row[b]: window * t.held[f] / model.byte for f, row in enumerate(kept)}
        before: dict[int, float] = {}
        for piece in order:
            variable = model.stored[piece][b]
            yield b, {**before, variable: t.peak[piece] / model.byte}
            before[variable] = t.resident[piece] / model.byte
        yield b, {**before, **held}


def _room(model: Formulation, board: int) -> float:
    return float(model.tables.limit[board] - model.tables.base[board]) / model.byte
