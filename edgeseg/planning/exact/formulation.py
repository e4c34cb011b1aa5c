"""The planning problem as a mixed-integer linear program, for one lane or relaxed for any lanes.

Constraints on load, memory and latency are added by their own modules. For one lane every piece
has one board, and the program is exact except for latency, which leaves out that pieces and
transfers wait for each other. For any number of lanes, replicas included, each board runs a share
of a piece's slices and stores the piece to that share: a relaxation, whose minimum is a lower
bound on the cost of every placement.
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
    """A program under construction, as :func:`one_lane` and :func:`any_lanes` begin it.

    Parameters
    ----------
    problem
        P pieces and B boards.
    program
        Variables and constraints so far.
    share
        Variables of the share of the slices for which piece p runs on board b, (P, B).
    stored
        Variables of the share of piece p that board b stores, (P, B).
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
    def arrays(self) -> ProblemArrays:
        """The problem as arrays."""
        return arrays_of(self.problem)

    @cached_property
    def second(self) -> float:
        """Unit of time, in seconds: all pieces on an average core, so that values are near one."""
        return float(self.arrays.seconds.sum(axis=0).mean())

    @cached_property
    def byte(self) -> float:
        """Unit of memory, in bytes: the largest limit."""
        return max(float(self.arrays.limit.max()), 1.0)

    def add_unbounded(self) -> int:
        """Add a variable without an upper bound, in units of time or memory; return its number."""
        return self.program.variable(np.inf)

    @property
    def returns(self) -> list[tuple[int, int]]:
        """Number and producer of every flow that goes back to the coordinator."""
        flows = enumerate(self.problem.flows)
        return [(n, f.producer) for n, f in flows if f.returns and f.producer is not None]


def one_lane(problem: Problem) -> Formulation:
    """Begin the program of one lane: every piece on one board."""
    program = LinearProgram()
    placed = grid(program, len(problem.pieces), len(problem.boards), whole=True)
    model = Formulation(problem, program, placed, placed)
    _place_all(model)
    _order_alike(model)
    return model


def any_lanes(problem: Problem) -> Formulation:
    """Begin the relaxation for any lanes, in which a piece may even be stored in part."""
    program = LinearProgram()
    share = grid(program, len(problem.pieces), len(problem.boards))
    model = Formulation(problem, program, share, share)
    _place_all(model)
    return model


def grid(program: LinearProgram, rows: int, columns: int, *, whole: bool = False) -> Grid:
    """Add variables from 0 to 1, one for each row and board; return their numbers."""
    return [[program.variable(whole=whole) for _ in range(columns)] for _ in range(rows)]


def _place_all(model: Formulation) -> None:
    """Require that the shares of each piece add up to one."""
    for row in model.share:
        model.program.at_most(1, dict.fromkeys(row, 1.0))
        model.program.at_most(-1, dict.fromkeys(row, -1.0))


def _order_alike(model: Formulation) -> None:
    """Break symmetry: of two boards that are alike, the first holds the earliest piece of both.

    No placement is lost except those that differ by exchanging the two boards.
    """
    for board, twin in enumerate(model.problem.alike_before()):
        if twin is not None:
            on_twin = [row[twin] for row in model.stored]
            for piece, row in enumerate(model.stored):
                before = on_twin[:piece]
                model.program.at_most(0, {row[board]: 1, **dict.fromkeys(before, -1.0)})
