"""Where the pieces go, given who is there and how fast each board turned out to be. Pure."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry
from edgeseg.bundle.manifest import Manifest
from edgeseg.errors import PlacementError
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.planning.time_shared_plan import plan_or_time_share
from edgeseg_runtime.coordination.problem_from_workers import problem_for
from edgeseg_runtime.messaging.wire import Pong

SLOW = 4.0
"""A board that takes so many times as long as others, against what was planned, is slow."""

_RUNS = 8
"""Fewer runs of pieces say little of a board."""

_WORTHWHILE = 0.95
"""A placement that costs more than this part of the present one is not worth the change."""


@dataclass(frozen=True)
class Placer:
    """Places a bundle on boards.

    Parameters
    ----------
    manifest
        The bundle.
    entries
        Where the boards listen, and what is known of their links and of the pieces there.
    coordinator
        The link of this machine.
    objective
        What is planned for.
    """

    manifest: Manifest
    entries: Sequence[BoardEntry]
    coordinator: LinkEntry
    objective: Objective

    def problem(self, boards: Sequence[Board], paces: Mapping[str, float]) -> Problem:
        """State the problem for boards, each at its pace (1 where none is known)."""
        problem = problem_for(self.manifest, boards, self.entries, self.coordinator)
        factors = [paces.get(board.name, 1.0) for board in problem.boards]
        return replace(
            problem,
            pieces=tuple(
                replace(
                    work,
                    seconds=tuple(s * f for s, f in zip(work.seconds, factors, strict=True)),
                )
                for work in problem.pieces
            ),
        )

    def plan(self, problem: Problem, seconds: float) -> Plan:
        """Plan for at most about so many seconds.

        Raises
        ------
        PlacementError
            If nothing fits, or there is no board.
        """
        if not problem.boards:
            raise PlacementError("no board is there")
        return plan_or_time_share(problem, self.objective, seconds)


def worthwhile(plan: Plan, present: Plan) -> bool:
    """Tell whether a plan is so much better than the present one that the change pays."""
    return plan.cost < present.cost * _WORTHWHILE


def paces(problem: Problem, pongs: Mapping[str, Pong]) -> dict[str, float]:
    """Return how many times as long as stated pieces take on boards that have run enough of them.

    Parameters
    ----------
    problem
        What was planned with.
    pongs
        What the boards say of the pieces that they ran.
    """
    found = {}
    for number, board in enumerate(problem.boards):
        times = pongs[board.name].piece_times if board.name in pongs else {}
        stated = sum(
            times[work.name].runs * work.seconds[number]
            for work in problem.pieces
            if work.name in times
        )
        if sum(time.runs for time in times.values()) >= _RUNS and stated:
            found[board.name] = sum(time.seconds for time in times.values()) / stated
    return found


def slow(found: Mapping[str, float]) -> dict[str, float]:
    """Return boards that are several times slower, against their plan, than others; and by what."""
    factors = {name: pace / _median(found, name) for name, pace in found.items() if len(found) > 1}
    return {name: factor for name, factor in factors.items() if factor > SLOW}


def _median(found: Mapping[str, float], but: str) -> float:
    others: Iterable[float] = (pace for name, pace in found.items() if name != but)
    return statistics.median(others)
