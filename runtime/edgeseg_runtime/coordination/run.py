"""A run with fail-over: slices flow through boards that may be lost and may join at any time."""

from collections.abc import Iterator, Mapping, Sequence

from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.progress import Tell
from edgeseg_runtime.coordination.backlog import Backlog, PendingSlice, Result
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.coordination.fleet import BoardsLostError, BoardState
from edgeseg_runtime.coordination.fleet_planner import (
    PLANNING_SECONDS,
    REPLANNING_SECONDS,
    FleetPlanner,
)
from edgeseg_runtime.coordination.journal import Journal
from edgeseg_runtime.coordination.placing import Placer


class FailoverRun:
    """Runs scan after scan on boards, placing the pieces anew as boards are lost and join.

    Parameters
    ----------
    coordinator
        Connected to boards, of which some may be absent.
    placer
        Places the bundle on those that are present.
    patience
        Seconds to wait for boards without which nothing goes on.
    tell
        Called with one line an event.

    Attributes
    ----------
    journal
        What has happened since the last call of :meth:`stream`.
    """

    def __init__(
        self, coordinator: Coordinator, placer: Placer, patience: float, tell: Tell
    ) -> None:
        self._coordinator = coordinator
        self._planner = FleetPlanner(coordinator, placer, patience, tell)
        self._tell = tell
        self._fleet_noted = coordinator.fleet
        # Whether the boards hold the pieces of the plan, and no slice of an earlier run.
        self._ready = False
        self.journal = Journal()

    @property
    def problem(self) -> Problem:
        """The problem that was planned last."""
        return self._planner.problem

    @property
    def plan(self) -> Plan:
        """The plan that the boards run."""
        return self._planner.plan

    def deploy(self) -> None:
        """Place and load the pieces on the boards that are present.

        Raises
        ------
        BoardError, PlacementError
            If there are none, or too few.
        """
        absent = self._coordinator.fleet.absent
        self._place(Backlog(()), PLANNING_SECONDS)
        self._ready = True
        self._tell_absent(absent)

    def plan_only(self) -> None:
        """Plan as :meth:`deploy` does, and load nothing.

        Raises
        ------
        BoardError, PlacementError
            As :meth:`deploy`.
        """
        absent = self._coordinator.fleet.absent
        self._planner.update(PLANNING_SECONDS, self._note_losses)
        self._tell_absent(absent)

    def stream(self, slices: Sequence[PendingSlice]) -> Iterator[Result]:
        """Send slices through the boards and yield the result of each once, in any order.

        Parameters
        ----------
        slices
            They are prepared one at a time, as they are drawn.

        Raises
        ------
        BoardError, PlacementError
            If boards are lost without which nothing goes on, and none comes back in time.
        """
        backlog = Backlog(slices, in_runs=self._coordinator.sends_stacks)
        self._begin(backlog)
        while not backlog.done:
            came = False
            try:
                self._coordinator.admit(backlog)
                for result in self._coordinator.collect(backlog):
                    came = True
                    self.journal.slice_returned()
                    yield result
                lost = False
            except BoardsLostError:
                lost = True
            # Results may wait while whoever takes them is busy: only what is not there is overdue.
            overdue = not (lost or came) and self._overdue()
            self._note_losses()
            if overdue or self._placement_due(backlog, lost=lost):
                self._place(backlog, REPLANNING_SECONDS)
        self.journal.epoch_ended(self._coordinator.pongs())
        self._ready = True

    def _begin(self, backlog: Backlog) -> None:
        """Begin a run on the pieces that the boards hold, or place them anew."""
        self.journal = Journal()
        self._coordinator.renew()
        self._planner.begin_run()
        ready = self._ready and not self._coordinator.lapsed
        # A run that ends early leaves slices on the boards; they must not meet those of the next.
        self._ready = False
        if not ready:
            self._place(backlog, REPLANNING_SECONDS)
            return
        backlog.restart(_limits(self.plan))
        # Boards do nothing between runs: what they last reported still holds.
        self.journal.epoch_began(self._coordinator.last_pongs)

    def _overdue(self) -> bool:
        """Return whether a slice has been in flight for so long that all are to be sent again.

        Boards that hang in a step are left out, and rest.
        """
        coordinator = self._coordinator
        planned_seconds = self.plan.prediction.latency
        limit_seconds = coordinator.deadlines.seconds(planned_seconds)
        if coordinator.oldest_seconds <= limit_seconds:
            return False
        coordinator.deadlines.note_missed()
        if not coordinator.leave_out_hanging(coordinator.fleet.present, limit_seconds / 2):
            self._tell(
                f"a slice is not done after {limit_seconds:.0f} s, though every board answers; "
                "sending it again"
            )
        return True

    def _placement_due(self, backlog: Backlog, *, lost: bool) -> bool:
        """Return whether the slices that are left need, or deserve, another placement."""
        if lost:
            return not backlog.done
        return not backlog.exhausted and self._planner.better_plan_exists()

    def _place(self, backlog: Backlog, seconds: float) -> None:
        """Place the pieces anew and take back the slices in flight, to be sent again.

        Boards that drop out meanwhile are left out of the next try.
        """
        while True:
            self.journal.epoch_ended(self._coordinator.last_pongs)
            self._planner.update(seconds, self._note_losses)
            self.journal.replayed += backlog.restart(_limits(self.plan))
            try:
                self._coordinator.deploy(self.plan.placement)
                self.journal.epoch_began(self._coordinator.pongs())
            except BoardsLostError:
                self._note_losses()
                seconds = REPLANNING_SECONDS
            else:
                return

    def _note_losses(self) -> None:
        """Note in the journal, and tell, which boards were lost since the last look."""
        before, self._fleet_noted = self._fleet_noted, self._coordinator.fleet
        for name in before.present:
            state = self._fleet_noted.states[name]
            if state.absent is not None:
                self.journal.board_lost(name, state.absent)
                self._tell(_loss_line(name, state, len(self._fleet_noted.present)))

    def _tell_absent(self, absent: Mapping[str, str]) -> None:
        """Tell which of the boards that were absent before are still absent."""
        for name, reason in absent.items():
            if name in self._coordinator.fleet.absent:
                self._tell(f"board {name} is left out: {reason}")


def _limits(plan: Plan) -> list[int]:
    """Return how many slices each lane of a plan may have in flight."""
    return [lane.window for lane in plan.lanes]


def _loss_line(board: str, state: BoardState, present: int) -> str:
    """Return a line that says that a board was lost, and with how many others the run goes on."""
    if state.barred and not state.fruitless_losses:
        return f"board {board} is left out: {state.absent}"
    stays = f", {state.losses} times by now: it {_consequence(state)}" if _is_out(state) else ""
    rest = f"going on with {present} board{'s' * (present != 1)}" if present else "none is left"
    return f"board {board} was lost ({state.absent}){stays}; {rest}"


def _is_out(state: BoardState) -> bool:
    return state.barred or state.rests_until is not None


def _consequence(state: BoardState) -> str:
    return "stays out" if state.barred else "rests for a while"
