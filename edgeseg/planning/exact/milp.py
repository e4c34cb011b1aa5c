"""A mixed-integer linear program, built row by row and solved by HiGHS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.output.native_output import STANDARD_OUTPUT, muted

Terms = Mapping[int, float]
"""Coefficients by number of the variable."""

_TOLERANCE = 1e-6
"""Relative optimality gap that HiGHS may leave; bounds are lowered by it."""


_RELAXED_SECONDS = 2.0
"""More than the relaxation, without integrality, takes."""


@dataclass(frozen=True)
class Solution:
    """The result of minimising a variable.

    Parameters
    ----------
    values
        Of all variables; None where no solution was found.
    bound
        Lower bound on the variable; infinite where there is no solution.
    """

    values: tuple[float, ...] | None
    bound: float


@dataclass
class LinearProgram:
    """Variables of at least 0, and sums of terms that must not exceed a limit."""

    highs: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)

    def variable(self, high: float = 1.0, *, whole: bool = False) -> int:
        """Add a variable from 0 to ``high`` and return its number."""
        self.highs.append(high)
        self.whole.append(whole)
        return len(self.highs) - 1

    def at_most(self, limit: float, terms: Terms) -> None:
        """Require that the terms add up to ``limit`` at most."""
        row = len(self.limits)
        self.limits.append(limit)
        self.entries += [(row, variable, factor) for variable, factor in terms.items() if factor]

    def minimum(self, variable: int, seconds: float) -> Solution:
        """Minimise a variable.

        Parameters
        ----------
        variable
            Its number.
        seconds
            Time that HiGHS may take, by its own clock; then the best solution so far is returned.
        """
        result = self._solve(variable, seconds, np.array(self.whole, int))
        infeasible = result.status == 2
        bound = result.mip_dual_bound if any(self.whole) else _proven_minimum(result)
        if not infeasible and (bound is None or not np.isfinite(bound)):
            relaxed = self._solve(variable, _RELAXED_SECONDS, np.zeros(len(self.whole), int))
            bound = _proven_minimum(relaxed)
        return Solution(
            values=None if result.x is None else tuple(result.x.tolist()),
            bound=np.inf if infeasible else float(bound) * (1 - _TOLERANCE),
        )

    def _solve(self, variable: int, seconds: float, whole: NDArray[np.int64]) -> Any:
        # Only here: importing it takes longer than all else that the command line imports.
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        cost = np.zeros(len(self.highs))
        cost[variable] = 1.0
        rows, columns, values = zip(*self.entries, strict=True)
        matrix = coo_array((values, (rows, columns)), (len(self.limits), len(cost)))
        # Some releases of HiGHS print a line whatever the options say.
        with muted(STANDARD_OUTPUT):
            return milp(
                cost,
                integrality=whole,
                bounds=Bounds(0, np.array(self.highs)),
                constraints=LinearConstraint(matrix.tocsr(), -np.inf, np.array(self.limits)),
                options={"time_limit": max(seconds, 0.05), "mip_rel_gap": _TOLERANCE},
            )


def _proven_minimum(result: Any) -> float:
    """Return the minimum of a relaxation if it was solved, else 0."""
    return float(result.fun) if result.status == 0 else 0.0
