"""Plans over the boards that are present, waits for boards, and looks for better placements."""

import time
from collections.abc import Callable

from edgeseg.errors import BoardError, PlacementError
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.progress import Tell
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.coordination.placing import Placer, measured_paces, slow_boards, worthwhile

PLANNING_SECONDS = 1.0
"""How long a better placement is looked for at most, at the start."""

REPLANNING_SECONDS = 0.3
"""The same while slices wait."""

LAST_PLANNING_SECONDS = 4.0
"""The same before it is said that nothing fits."""


class FleetPlanner:
    """Keeps the plan of a run up to date with the boards that are present.

    Parameters
    ----------
    coordinator
        Connected to boards, of which some may be absent.
    placer
        Places the bundle on those that are present.
    patience
        Seconds to wait for boards without which nothing fits.
    tell
        Called with one line an event.

    Attributes
    ----------
    problem, plan
        The problem that was stated last, and its plan; set by :meth:`update`.
    """

    def __init__(
        self, coordinator: Coordinator, placer: Placer, patience: float, tell: Tell
    ) -> None:
        self._coordinator = coordinator
        self._placer = placer
        self._patience = patience
        self._tell = tell
        self._paces: dict[str, float] = {}
        self._paces_used = False
        self._boards_considered: frozenset[str] = frozenset()
        self.problem: Problem
        self.plan: Plan

    def begin_run(self) -> None:
        """Let measured paces change the plan again, which they do once a run."""
        self._paces_used = False

    def update(self, seconds: float, fleet_changed: Callable[[], None]) -> None:
        """Plan over the boards that are present; as long as nothing fits, wait for more.

        Parameters
        ----------
        seconds
            How long to look for a better plan.
        fleet_changed
            Called when boards have joined or been lost while waiting.

        Raises
        ------
        BoardError, PlacementError
            If nothing fits and no board comes in time; the message says which are absent.
        """
        deadline = None
        while True:
            self._boards_considered = frozenset(self._coordinator.fleet.present)
            self.problem = self._state_problem()
            lack = self._try_plan(seconds) and self._try_plan(LAST_PLANNING_SECONDS)
            if lack is None:
                return
            if deadline is None:
                deadline = time.monotonic() + self._patience
                self._tell_waiting(lack)
            if not self._wait_for_boards(deadline):
                raise self._nothing_fits(lack)
            fleet_changed()

    def better_plan_exists(self) -> bool:
        """Return whether the pieces would run much better elsewhere; if so, tell why."""
        return self._better_with_joined_boards() or self._better_at_measured_paces()

    def _try_plan(self, seconds: float) -> PlacementError | None:
        """Plan for so many seconds; return the error if nothing was found to fit."""
        try:
            self.plan = self._placer.plan(self.problem, seconds)
        except PlacementError as error:
            return error
        return None

    def _tell_waiting(self, lack: PlacementError) -> None:
        expected = self._coordinator.fleet.expected
        if expected and self._patience:
            names = " or ".join(expected)
            self._tell(f"{lack}; waiting up to {self._patience:g} s for {names}")

    def _wait_for_boards(self, deadline: float) -> bool:
        """Wait while a board is worth waiting for; return whether the boards present changed."""
        present = self._coordinator.fleet.present
        while self._coordinator.fleet.expected and time.monotonic() < deadline:
            self._coordinator.keep_in_touch()
            if self._coordinator.fleet.present != present:
                return True
        return False

    def _nothing_fits(self, lack: PlacementError) -> BoardError | PlacementError:
        """Return the error of too few boards, with the reasons of those absent."""
        fleet = self._coordinator.fleet
        reasons = "; ".join(f"{name}: {reason}" for name, reason in fleet.absent.items())
        if not fleet.present:
            return BoardError(reasons)
        return PlacementError(f"{lack}; without {reasons}") if reasons else lack

    def _better_with_joined_boards(self) -> bool:
        present = frozenset(self._coordinator.fleet.present)
        joined = present - self._boards_considered
        if not joined:
            return False
        self._boards_considered = present
        candidate = self._candidate()
        better = candidate is not None and worthwhile(candidate, self.plan)
        if better:
            names = " and ".join(sorted(joined))
            self._tell(f"{names} joined: {len(present)} boards from here on")
        return better

    def _better_at_measured_paces(self) -> bool:
        """Once a run: paces measured after a change only repeat what is known."""
        paces = measured_paces(self.problem, self._coordinator.last_pongs)
        slow = slow_boards(paces)
        if self._paces_used or not slow:
            return False
        self._paces_used = True
        for name, pace in paces.items():
            self._paces[name] = self._paces.get(name, 1.0) * pace
        candidate = self._candidate()
        better = candidate is not None and candidate.lanes != self.plan.lanes
        for name, factor in slow.items():
            self._tell(
                f"board {name} takes {factor:.0f} times as long as planned; "
                + ("placing the pieces anew" if better else "no other placement would do better")
            )
        return better

    def _candidate(self) -> Plan | None:
        """Return another plan for the boards present, if one is found in time."""
        try:
            return self._placer.plan(self._state_problem(), REPLANNING_SECONDS)
        except PlacementError:
            return None

    def _state_problem(self) -> Problem:
        present = self._coordinator.fleet.present
        boards = [board for board in self._coordinator.boards if board.name in present]
        return self._placer.problem(boards, self._paces)
