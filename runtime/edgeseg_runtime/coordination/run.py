"""Keeps slices flowing through boards that come and go: placed anew, sent again, waited for."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from edgeseg.errors import BoardError, PlacementError
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg_runtime.coordination.backlog import Backlog, PendingSlice, Result
from edgeseg_runtime.coordination.connections import BoardsLostError
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.coordination.fleet import MOST_LOSSES, BoardState
from edgeseg_runtime.coordination.journal import Journal
from edgeseg_runtime.coordination.placing import Placer, paces, slow, worthwhile

PLANNING_SECONDS = 1.0
"""How long a better placement is looked for at most, at the start."""

REPLANNING_SECONDS = 0.3
"""The same while slices wait."""

LAST_PLANNING_SECONDS = 4.0
"""The same before it is said that nothing fits."""

Tell = Callable[[str], None]


class FailoverRun:
    """A placement that follows the boards.

    Parameters
    ----------
    coordinator
        Connected to boards, of which some may be missing.
    placer
        Places the bundle on those that are there.
    patience
        Seconds to wait for boards without which nothing goes on.
    tell
        Called with one line an event.

    Attributes
    ----------
    problem, plan
        What is planned with now, and the placement.
    journal
        What has happened since the last run began.
    """

    def __init__(
        self, coordinator: Coordinator, placer: Placer, patience: float, tell: Tell
    ) -> None:
        self._coordinator = coordinator
        self._placer = placer
        self._patience = patience
        self._tell = tell
        self._paces: dict[str, float] = {}
        self._repaced = False
        self._stale = True
        self._seen = coordinator.fleet
        self._considered: frozenset[str] = frozenset()
        self.journal = Journal()
        self.problem: Problem
        self.plan: Plan

    def begin(self) -> None:
        """Place and load the pieces on the boards that are there.

        Raises
        ------
        BoardError, PlacementError
            If there are none, or too few.
        """
        missing = self._coordinator.fleet.absent
        self._place_anew(Backlog(()), PLANNING_SECONDS)
        self._tell_missing(missing)

    def rehearse(self) -> None:
        """Plan as :meth:`begin` does, and load nothing.

        Raises
        ------
        BoardError, PlacementError
            As :meth:`begin`.
        """
        missing = self._coordinator.fleet.absent
        self._plan(PLANNING_SECONDS)
        self._tell_missing(missing)

    def _tell_missing(self, missing: Mapping[str, str]) -> None:
        """Say which of the boards that did not answer are still not there."""
        for name, reason in missing.items():
            if name in self._coordinator.fleet.absent:
                self._tell(f"board {name} is left out: {reason}")

    def stream(self, images: Iterable[PendingSlice]) -> Iterator[Result]:
        """Send slices through the boards and yield each once, in any order.

        Raises
        ------
        BoardError, PlacementError
            If boards are lost without which nothing goes on, and none comes back in time.
        """
        backlog, self.journal = Backlog(images), Journal()
        self._coordinator.renew()
        self._stale |= self._coordinator.given_up
        self._repaced = False
        if not self._stale:
            backlog.restart([lane.window for lane in self.plan.lanes])
            # Boards do nothing between runs: what they last said still holds.
            self.journal.opened(self._coordinator.last_pongs)
        while not backlog.done:
            self._place_anew(backlog, REPLANNING_SECONDS)
            # Slices of a run that ends early are still on the boards: they must not meet others.
            self._stale = True
            yield from self._flow(backlog)
        self._stale = False

    def finish(self) -> None:
        """Note how the boards fared in a stream that has come to its end."""
        self.journal.closed(self._coordinator.pongs())

    def _flow(self, backlog: Backlog) -> Iterator[Result]:
        """Yield what comes back until all have, or another placement is due."""
        try:
            while not backlog.done:
                for result in self._coordinator.turn(backlog):
                    self.journal.came_back()
                    yield result
                self._heed_fleet()
                if not backlog.exhausted and self._better():
                    return
        except BoardsLostError:
            self._heed_fleet()

    def _place_anew(self, backlog: Backlog, seconds: float) -> None:
        """Place over the boards that are there, again as long as some drop out meanwhile."""
        while self._stale:
            self.journal.closed(self._coordinator.last_pongs)
            self._plan(seconds)
            self.journal.replayed += backlog.restart([lane.window for lane in self.plan.lanes])
            try:
                self._coordinator.deploy(self.plan.placement)
                self.journal.opened(self._coordinator.pongs())
                self._stale = False
            except BoardsLostError:
                self._heed_fleet()
                seconds = REPLANNING_SECONDS

    def _plan(self, seconds: float) -> None:
        """Plan over the boards that are there, and wait for more as long as nothing fits."""
        deadline = None
        while True:
            self._considered = frozenset(self._coordinator.fleet.present)
            self.problem = self._stated()
            lack = self._try_plan(seconds) and self._try_plan(LAST_PLANNING_SECONDS)
            if lack is None:
                return
            fleet, now = self._coordinator.fleet, time.monotonic()
            if deadline is None:
                deadline = now + self._patience
                if fleet.expected and self._patience:
                    self._tell(
                        f"{lack}; waiting up to {self._patience:g} s for "
                        f"{' or '.join(fleet.expected)}"
                    )
            self._await_news(deadline)
            if self._coordinator.fleet.present == fleet.present:
                raise self._hopeless(lack)
            self._heed_fleet()

    def _try_plan(self, seconds: float) -> PlacementError | None:
        """Plan for so many seconds; return what is lacking if nothing was found to fit."""
        try:
            self.plan = self._placer.plan(self.problem, seconds)
        except PlacementError as error:
            return error
        return None

    def _await_news(self, deadline: float) -> None:
        """Wait until a board comes, as long as one is worth waiting for and there is time."""
        present = self._coordinator.fleet.present
        while self._coordinator.fleet.expected and time.monotonic() < deadline:
            self._coordinator.idle()
            if self._coordinator.fleet.present != present:
                return

    def _hopeless(self, lack: PlacementError) -> BoardError | PlacementError:
        """Return the error of boards that are too few, with the reasons of those missing."""
        fleet = self._coordinator.fleet
        reasons = "; ".join(f"{name}: {reason}" for name, reason in fleet.absent.items())
        if not fleet.present:
            return BoardError(reasons)
        return PlacementError(f"{lack}; without {reasons}") if reasons else lack

    def _better(self) -> bool:
        """Tell whether the pieces would do much better elsewhere, and say why."""
        return self._better_with_newcomers() or self._better_at_measured_pace()

    def _better_with_newcomers(self) -> bool:
        present = frozenset(self._coordinator.fleet.present)
        new = present - self._considered
        if not new:
            return False
        self._considered = present
        candidate = self._candidate()
        better = candidate is not None and worthwhile(candidate, self.plan)
        if better:
            self._tell(f"{' and '.join(sorted(new))} joined: {len(present)} boards from here on")
        return better

    def _better_at_measured_pace(self) -> bool:
        """Once a run: what is measured after a change is no news."""
        found = paces(self.problem, self._coordinator.last_pongs)
        behind = slow(found)
        if self._repaced or not behind:
            return False
        self._repaced = True
        for name, pace in found.items():
            self._paces[name] = self._paces.get(name, 1.0) * pace
        candidate = self._candidate()
        better = candidate is not None and candidate.lanes != self.plan.lanes
        for name, factor in behind.items():
            self._tell(
                f"board {name} takes {factor:.0f} times as long as planned; "
                + ("placing the pieces anew" if better else "no other placement would do better")
            )
        return better

    def _candidate(self) -> Plan | None:
        """Return another plan for the boards that are there, if one is found in time."""
        try:
            return self._placer.plan(self._stated(), REPLANNING_SECONDS)
        except PlacementError:
            return None

    def _stated(self) -> Problem:
        there = self._coordinator.fleet.present
        boards = [board for board in self._coordinator.boards if board.name in there]
        return self._placer.problem(boards, self._paces)

    def _heed_fleet(self) -> None:
        """Note and tell which boards were lost since the last look."""
        before, self._seen = self._seen, self._coordinator.fleet
        for name in before.present:
            standing = self._seen.standings[name]
            if standing.absent is not None:
                self.journal.lost(name, standing.absent)
                self._tell(_farewell(name, standing, len(self._seen.present)))


def _farewell(board: str, standing: BoardState, left: int) -> str:
    """Say in one line that a board is there no more, and what becomes of the run."""
    if standing.barred and standing.losses < MOST_LOSSES:
        return f"board {board} is left out: {standing.absent}"
    stays = f", {standing.losses} times by now: it stays out" if standing.barred else ""
    more = f"going on with {left} board{'s' * (left != 1)}" if left else "none is left"
    return f"board {board} was lost ({standing.absent}){stays}; {more}"
