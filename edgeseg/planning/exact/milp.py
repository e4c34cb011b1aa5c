"""A linear program with some whole numbers, as rows of named terms, solved by HiGHS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.output.native_output import STANDARD_OUTPUT, muted

Terms = Mapping[int, float]
"""Coefficients by variable."""

_TOLERANCE = 1e-6
"""What HiGHS may be off by, as a part of the cost; bounds give it away."""


_RELAXED_SECONDS = 2.0
"""More than a program without whole numbers takes."""


@dataclass(frozen=True)
class Solution:
    """Values of the variables, None where none were found, and a bound no solution is below.

    The bound is infinite where there is no solution.
    """

    values: tuple[float, ...] | None
    bound: float


@dataclass
class LinearProgram:
    """Variables of at least 0, and rows that must not exceed a limit."""

    highs: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)

    def variable(self, high: float = 1.0, *, whole: bool = False) -> int:
        """Add a variable of 0 to ``high`` and return its number."""
        self.highs.append(high)
        self.whole.append(whole)
        return len(self.highs) - 1

    def at_most(self, limit: float, terms: Terms) -> None:
        """Demand that the terms add up to ``limit`` at most."""
        row = len(self.limits)
        self.limits.append(limit)
        self.entries += [(row, variable, factor) for variable, factor in terms.items() if factor]

    def least(self, variable: int, seconds: float) -> Solution:
        """Make a variable as small as can be.

        Parameters
        ----------
        variable
            Its number.
        seconds
            After which the best so far is returned.
        """
        result = self._solve(variable, seconds, np.array(self.whole, int))
        infeasible = result.status == 2
        low = result.mip_dual_bound if any(self.whole) else _proven(result)
        if not infeasible and (low is None or not np.isfinite(low)):
            relaxed = self._solve(variable, _RELAXED_SECONDS, np.zeros(len(self.whole), int))
            low = _proven(relaxed)
        return Solution(
            values=None if result.x is None else tuple(result.x.tolist()),
            bound=np.inf if infeasible else float(low) * (1 - _TOLERANCE),
        )

    def _solve(self, variable: int, seconds: float, whole: NDArray[np.int64]) -> Any:
        # Only here: importing it takes longer than all else that the command line imports.
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        cost = np.zeros(len(self.highs))
        cost[variable] = 1.0
        rows, columns, values = zip(*self.entries, strict=True)
        matrix = coo_array((values, (rows, columns)), (len(self.limits), len(cost)))
        # Some releases of HiGHS print a line of their own, whatever they are told.
        with muted(STANDARD_OUTPUT):
            return milp(
                cost,
                integrality=whole,
                bounds=Bounds(0, np.array(self.highs)),
                constraints=LinearConstraint(matrix.tocsr(), -np.inf, np.array(self.limits)),
                options={"time_limit": max(seconds, 0.05), "mip_rel_gap": _TOLERANCE},
            )


def _proven(result: Any) -> float:
    """Return the value of a program without whole numbers: a bound only once it is solved."""
    return float(result.fun) if result.status == 0 else 0.0
