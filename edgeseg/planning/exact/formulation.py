"""The planning problem as a linear program: pieces, tensors on links, bytes on boards.

Two readings of the same rows, which stand in ``traffic``, ``delays`` and ``room``. For one lane
every piece has one board, and the program is exact but for the latency, which leaves out that
pieces and transfers wait for each other. For any number of lanes, replicas among them, a piece
has a share of the slices on each board and is stored wherever that share is not zero: a
relaxation, whose least cost no placement is below.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgeseg.planning.exact.milp import LinearProgram
from edgeseg.planning.problem.arrays import ProblemArrays, arrays_of
from edgeseg.planning.problem.problem import Problem

Grid = list[list[int]]
"""Numbers of variables by piece or flow, then board."""


@dataclass(frozen=True)
class Formulation:
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
    program: LinearProgram
    share: Grid
    stored: Grid

    @property
    def boards(self) -> range:
        """Numbers of the boards."""
        return range(len(self.problem.boards))

    @cached_property
    def tables(self) -> ProblemArrays:
        """The problem as arrays."""
        return arrays_of(self.problem)

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

    @property
    def returns(self) -> list[tuple[int, int]]:
        """Number and producer of every flow that goes back to the coordinator."""
        flows = enumerate(self.problem.flows)
        return [(n, f.producer) for n, f in flows if f.returns and f.producer is not None]


def one_lane(problem: Problem) -> Formulation:
    """Start the program of one lane: every piece on one board."""
    program = LinearProgram()
    placed = grid(program, len(problem.pieces), len(problem.boards), whole=True)
    model = Formulation(problem, program, placed, placed)
    _place_all(model)
    _order_alike(model)
    return model


def any_lanes(problem: Problem) -> Formulation:
    """Start the program of any lanes, in which a piece may even be stored in part."""
    program = LinearProgram()
    share = grid(program, len(problem.pieces), len(problem.boards))
    model = Formulation(problem, program, share, share)
    _place_all(model)
    return model


def grid(program: LinearProgram, rows: int, columns: int, *, whole: bool = False) -> Grid:
    """Add variables from 0 to 1 for every row and board."""
    return [[program.variable(whole=whole) for _ in range(columns)] for _ in range(rows)]


def _place_all(model: Formulation) -> None:
    """Demand that each piece runs somewhere for every slice."""
    for row in model.share:
        model.program.at_most(1, dict.fromkeys(row, 1.0))
        model.program.at_most(-1, dict.fromkeys(row, -1.0))


def _order_alike(model: Formulation) -> None:
    """Of two boards that are alike, let the first hold the earliest piece of both.

    They could change names in any placement, so that none is lost but for names.
    """
    for board, alike in enumerate(model.problem.alike_before()):
        if alike is not None:
            earlier = [row[alike] for row in model.stored]
            for piece, row in enumerate(model.stored):
                before = earlier[:piece]
                model.program.at_most(0, {row[board]: 1, **dict.fromkeys(before, -1.0)})
