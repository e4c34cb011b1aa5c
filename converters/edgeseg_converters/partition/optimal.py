"""Cuts where they suit the boards best, found by dynamic programming and local search."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import TypeAlias

import numpy as np

from edgeseg.errors import BudgetError, PlacementError, field_name
from edgeseg.network.graph import Graph
from edgeseg.planning.heuristics.baselines import EvaluatedPlacement as Placed
from edgeseg.planning.heuristics.board_groups import group_boards
from edgeseg.planning.heuristics.contiguous import contiguous_assignment
from edgeseg.planning.heuristics.heuristic_plan import heuristic_plans, rounded_period
from edgeseg.planning.outcome.prediction import assignments_of
from edgeseg.planning.problem.arrays import Assignments
from edgeseg.planning.problem.merged_runs import RunMemory
from edgeseg.planning.problem.problem import Problem
from edgeseg.text.units import format_bytes
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.network import Network
from edgeseg_converters.partition.adaptive import adaptive
from edgeseg_converters.partition.block import block, blocks
from edgeseg_converters.partition.complexity import complexity, keeps_budget
from edgeseg_converters.partition.estimate import Sketch, estimate, forecast, sketch
from edgeseg_converters.partition.request import Cut, Partition, PartitionRequest, pieces_of

Ends: TypeAlias = tuple[int, ...]
"""For each piece, the number of the group behind its last one."""

Proposal: TypeAlias = tuple[Partition, Placed | None]
"""A partition and its best placement; None where it fits on no boards."""

_FEWER = 4
"""How many chains are looked at besides where the number of pieces is limited."""


def optimal(network: Network, request: PartitionRequest) -> Cut:
    """Cut where the best placement of the finest partition goes from one board to another.

    Use it where the boards are known and the whole network is too large for some of them: each
    gets one piece where boards are best chained, two where the way up is folded onto the way
    down. Where all hold the whole network it stays whole: sending whole slices costs least.

    What counts is the time between two slices, that of the busiest core or link, within every
    board's memory. Layers that follow each other on a board count as the piece that they become.

    Raises
    ------
    BudgetError
        If no partition keeps to the request.
    PlacementError
        If no cut was found whose pieces fit the boards.
    """
    with request.progress(None, "looking for the best cuts"):
        candidates = proposals(network.graph, request)
    fitting = [(placed, pieces) for pieces, placed in candidates if placed is not None]
    if not fitting:
        raise PlacementError(_shortage(network.graph, request))
    placed, pieces = min(fitting, key=lambda pair: (rounded_period(pair[0]), len(pair[1])))
    return Cut(network, pieces, notes=_notes(placed, len(pieces), request))


def proposals(graph: Graph, request: PartitionRequest) -> list[Proposal]:
    """List partitions and how they are best placed: some for each shape of placement, fixed ones.

    Raises
    ------
    BudgetError
        If none keeps to the request.
    PlacementError
        If a layer fits on no board.
    """
    fixed = [(pieces, _placed(pieces, request)) for pieces in _fixed(graph, request)]
    starts = [start for proposal in fixed for start in _boards_of_groups(graph, proposal)]
    problems = {edges: finest(graph, request, edges) for edges in ((), _block_ends(graph))}
    ends = [
        _joined(_ends(assignments_of(problem, placed.lanes)), edges)
        for edges, problem in problems.items()
        for placed in heuristic_plans(problem, starts)
    ]
    if request.max_partitions is not None:
        ends += _fewer(problems[()], request.max_partitions)
    shaped = [pieces_of(graph, _runs(graph, cuts, request)) for cuts in dict.fromkeys(ends)]
    within_budget = [pieces for pieces in shaped if keeps_budget(pieces, request)]
    if not within_budget and not fixed:
        within_budget = [adaptive(graph, request)]
    return [*((pieces, _placed(pieces, request)) for pieces in within_budget), *fixed]


def _boards_of_groups(graph: Graph, proposal: Proposal) -> Iterator[Mapping[str, str]]:
    """Yield the board of each group, named by its last layer, for every lane of a placement."""
    pieces, placed = proposal
    piece_of = {layer.name: piece.name for piece in pieces for layer in piece.layers}
    for lane in () if placed is None else placed.lanes:
        yield {group[-1]: lane.boards[piece_of[group[-1]]] for group in fused_groups(graph)}


def finest(graph: Graph, request: PartitionRequest, edges: Ends = ()) -> Problem:
    """State the problem of placing groups of layers, such that runs of them become pieces.

    The pieces of the problem are named by the last layer of each group.

    Parameters
    ----------
    graph, request
        What is to be cut, and for what.
    edges
        Where runs are cut besides: smaller pieces take less memory while they are loaded.
    """
    groups = fused_groups(graph)
    count = len(groups)

    @cache
    def between(start: int, end: int) -> Sketch:
        layers = (name for group in groups[start:end] for name in group)
        return sketch(graph.subgraph("run", layers), request)

    peak, resident = np.zeros((2, count + 1, count + 1))
    for start in range(count):
        for end in range(start + 1, count + 1):
            run = [between(*part) for part in itertools.pairwise(_parts(start, end, edges))]
            total = resident[start, end] = sum(part.resident_memory_bytes for part in run)
            peak[start, end] = total + max(
                part.peak_memory_bytes - part.resident_memory_bytes for part in run
            )
    pieces = tuple(graph.subgraph(group[-1], group) for group in groups)
    problem = estimate(pieces, request)
    weight_bytes = (sketch(piece, request).weight_bytes for piece in pieces)
    return replace(
        problem,
        pieces=tuple(
            replace(work, resident_bytes=weights)
            for work, weights in zip(problem.pieces, weight_bytes, strict=True)
        ),
        merged=RunMemory(peak, resident),
    )


def _parts(start: int, end: int, edges: Ends) -> tuple[int, ...]:
    """Return where a run is cut, its start and end among that."""
    return (start, *(edge for edge in edges if start < edge < end), end)


def _joined(ends: Ends, edges: Ends) -> Ends:
    return tuple(sorted({*ends, *edges}))


def _block_ends(graph: Graph) -> Ends:
    return tuple(itertools.accumulate(len(block) for block in blocks(graph)))


def _ends(rows: Assignments) -> Ends:
    """Cut wherever one of the lanes, shape (lanes, groups), goes to another board."""
    changes = (rows[:, 1:] != rows[:, :-1]).any(axis=0)
    return (*(np.flatnonzero(changes) + 1).tolist(), rows.shape[1])


def _fewer(problem: Problem, max_partitions: int) -> list[Ends]:
    """Cut for the quickest chains of no more boards than pieces are allowed."""
    chains = group_boards(problem, lambda part: contiguous_assignment(part, "throughput"))
    ordered = sorted(chains.rates, key=lambda counts: -chains.rates[counts])
    ends = dict.fromkeys(_ends(chains.assignments[counts][None]) for counts in ordered)
    return [cuts for cuts in ends if len(cuts) <= max_partitions][:_FEWER]


def _runs(graph: Graph, ends: Ends, request: PartitionRequest) -> Iterator[list[tuple[str, ...]]]:
    """Yield the groups of each piece, cut further where it would be too complex."""
    groups, bound = fused_groups(graph), request.max_complexity
    for start, end in zip((0, *ends), ends, strict=False):
        run = [groups[start]]
        for group in groups[start + 1 : end]:
            if bound is not None and complexity(graph, [*run, group], request.metric) > bound:
                yield run
                run = []
            run.append(group)
        yield run


def _fixed(graph: Graph, request: PartitionRequest) -> Iterator[Partition]:
    """Yield what other strategies make of the network, as far as it keeps to the request."""
    for strategy in (block, adaptive):
        with suppress(BudgetError):
            yield strategy(graph, request)


def _placed(pieces: Partition, request: PartitionRequest) -> Placed | None:
    try:
        return forecast(pieces, request)
    except PlacementError:
        return None


def _shortage(graph: Graph, request: PartitionRequest) -> str:
    boards = estimate((graph,), request).boards
    largest = max(board.memory_limit - board.base_memory for board in boards)
    need = sketch(graph, request).peak_memory_bytes
    return (
        f"no cut was found whose pieces fit the boards: uncut, the network needs about "
        f"{format_bytes(need)} and room for slices, and the largest of {len(boards)} boards has "
        f"{format_bytes(largest)} for both; raise the limits, add boards, or convert with "
        f"{field_name('max_activations')} or {field_name('quantize')} int8"
    )


def _notes(placed: Placed, count: int, request: PartitionRequest) -> tuple[str, ...]:
    cut = f"cut into {count} pieces" if count > 1 else "left whole"
    rate = f"{placed.prediction.rate:.3g} slices/s"
    line = f"{cut}: {rate} are predicted ({placed.name}, before compiling)"
    if request.boards is not None:
        return (line,)
    boards = field_name("boards")
    return (line, f"every board is taken to hold the whole network; say what they have: {boards}")
