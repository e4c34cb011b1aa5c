"""Where the pieces go, given the boards present and how fast each has proved to be. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry
from edgeseg.bundle.manifest import Manifest
from edgeseg.codecs.names import Wire
from edgeseg.errors import PlacementError
from edgeseg.planning.encoded_plan import plan_encoded
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg_runtime.coordination.problem_from_workers import problem_for
from edgeseg_runtime.messaging.wire import Pong

SLOW_FACTOR = 4.0
"""A board that takes so many times as long as others, against what was planned, is slow."""

_MIN_RUNS = 8
"""Fewer runs of pieces say little of a board."""

_WORTHWHILE_SHARE = 0.95
"""A placement that costs more than this part of the present one is not worth the change."""


@dataclass(frozen=True)
class Placer:
    """Places a bundle on boards.

    Parameters
    ----------
    manifest
        The bundle's.
    entries
        Where the boards listen, and what is known of their links and of the pieces there.
    coordinator
        The link of this machine.
    objective
        What is planned for.
    wire
        How tensors pass between boards.
    """

    manifest: Manifest
    entries: Sequence[BoardEntry]
    coordinator: LinkEntry
    objective: Objective
    wire: Wire = "auto"

    def problem(self, boards: Sequence[Board], paces: Mapping[str, float]) -> Problem:
        """Return the problem for some boards.

        Parameters
        ----------
        boards
            The boards that may take pieces.
        paces
            By board, how many times as long as stated its pieces take; 1 where left out.
        """
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
        """Return a plan, found within about so many seconds.

        Raises
        ------
        PlacementError
            If nothing fits, or the problem has no board.
        """
        if not problem.boards:
            raise PlacementError("no board is there")
        return plan_encoded(problem, self.objective, seconds, self.wire)


def worthwhile(candidate: Plan, present: Plan) -> bool:
    """Return whether a plan is so much better than the present one that the change pays."""
    return candidate.cost < present.cost * _WORTHWHILE_SHARE


def measured_paces(problem: Problem, pongs: Mapping[str, Pong]) -> dict[str, float]:
    """Return how many times as long as planned pieces take, by board.

    Boards that have run fewer than eight pieces are left out.

    Parameters
    ----------
    problem
        What was planned with.
    pongs
        What the boards report of the pieces that they ran.
    """
    paces = {}
    for number, board in enumerate(problem.boards):
        times = pongs[board.name].piece_times if board.name in pongs else {}
        planned_seconds = sum(
            times[work.name].runs * work.seconds[number]
            for work in problem.pieces
            if work.name in times
        )
        if sum(time.runs for time in times.values()) >= _MIN_RUNS and planned_seconds:
            paces[board.name] = sum(time.seconds for time in times.values()) / planned_seconds
    return paces


def slow_boards(paces: Mapping[str, float]) -> dict[str, float]:
    """Return boards that are over four times slower, against their plan, than the others' median.

    Parameters
    ----------
    paces
        As :func:`measured_paces` returns them.

    Returns
    -------
    dict
        Of each slow board, its pace over the median of the other boards' paces.
    """
    factors = {
        name: pace / _others_median(paces, name) for name, pace in paces.items() if len(paces) > 1
    }
    return {name: factor for name, factor in factors.items() if factor > SLOW_FACTOR}


def _others_median(paces: Mapping[str, float], board: str) -> float:
    return statistics.median(pace for name, pace in paces.items() if name != board)
