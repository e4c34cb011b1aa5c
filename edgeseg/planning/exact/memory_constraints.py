"""Constraints on the memory of every board."""

from collections.abc import Iterator

from edgeseg.planning.exact.formulation import Formulation, Grid, grid


def limit_memory(model: Formulation, in_flight: int) -> None:
    """Require that each board holds its pieces and the tensors of the slices in flight."""
    for board, terms in _needs(model, in_flight):
        model.program.at_most(_available(model, board), terms)


def limit_excess(model: Formulation, in_flight: int, excess: int) -> None:
    """Require that no board exceeds its limit by more than the variable ``excess``."""
    for board, terms in _needs(model, in_flight):
        model.program.at_most(_available(model, board), {excess: -1, **terms})


def limit_need(model: Formulation, in_flight: int, need: int) -> None:
    """Require that no board in use needs more bytes than the variable ``need``."""
    used = [model.program.variable() for _ in model.boards]
    for row in model.stored:
        for b in model.boards:
            model.program.at_most(0, {row[b]: 1, used[b]: -1})
    for board, terms in _needs(model, in_flight):
        base = model.arrays.base[board] / model.byte
        model.program.at_most(0, {need: -1, used[board]: base, **terms})


def limit_in_flight(model: Formulation, period: int, latency: float, at_least: float) -> None:
    """Require memory for the slices in flight that a period needs, by Little's law.

    A lane of rate *r* has at least *r x latency* slices in flight, whose tensors take memory
    beside the pieces. The product of period and stored bytes is replaced by a lower bound.

    Parameters
    ----------
    model
        The program.
    period
        The variable of the time between two slices.
    latency
        Lower bound on the seconds of one slice.
    at_least
        Lower bound on the seconds between two slices.
    """
    touching = _touching(model, model.share)
    held = model.arrays.held / model.byte * latency / model.second
    resident = model.arrays.resident / model.byte * at_least / model.second
    for b in model.boards:
        terms = {row[b]: held[f] for f, row in enumerate(touching)}
        terms |= {row[b]: resident[p] for p, row in enumerate(model.stored)}
        model.program.at_most(0, {period: -_available(model, b), **terms})


def _touching(model: Formulation, placed: Grid) -> Grid:
    """Add variables of whether a flow takes memory on a board, (F, B)."""
    touching = grid(model.program, len(model.problem.flows), len(model.boards))
    for flow, row in zip(model.problem.flows, touching, strict=True):
        for piece in flow.touched_by:
            for b in model.boards:
                model.program.at_most(0, {row[b]: -1, placed[piece][b]: 1})
    return touching


def _needs(model: Formulation, in_flight: int) -> Iterator[tuple[int, dict[int, float]]]:
    """Yield boards with terms of their bytes beside the base, while loading and at work."""
    t, order = model.arrays, model.problem.loading
    touching = _touching(model, model.stored)
    for b in model.boards:
        held = {row[b]: in_flight * t.held[f] / model.byte for f, row in enumerate(touching)}
        before: dict[int, float] = {}
        for piece in order:
            variable = model.stored[piece][b]
            yield b, {**before, variable: t.peak[piece] / model.byte}
            before[variable] = t.resident[piece] / model.byte
        yield b, {**before, **held}


def _available(model: Formulation, board: int) -> float:
    return float(model.arrays.limit[board] - model.arrays.base[board]) / model.byte
