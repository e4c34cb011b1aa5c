"""Which boards are present, why others are absent, and which of those may still join. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edgeseg.errors import BoardError

MAX_LOSSES = 3
LOSS_WINDOW_SECONDS = 30.0
"""A board lost so often in so short a time rests: each loss costs the slices in flight."""

FIRST_REST_SECONDS = 15.0
LONGEST_REST_SECONDS = 240.0
"""A board that rests again rests twice as long, up to so long."""

MAX_FRUITLESS_LOSSES = 10
"""A board lost so often without one slice finished in between stays out: nothing would end it."""


class BoardsLostError(BoardError):
    """Boards that are needed are lost, or can't or won't do their part."""


@dataclass(frozen=True)
class BoardState:
    """One board as the coordinator sees it.

    Parameters
    ----------
    absent
        Why it is absent; None where it is present.
    losses
        How often it was lost in this run.
    recent_losses
        When it was lost last, in seconds of the run's clock, as far back as counts.
    fruitless_losses
        How often it was lost since a slice was finished.
    rests_until
        Until when it is not asked to join; None where it may.
    rests
        How often it has rested.
    barred
        Whether it stays out for the rest of the run.
    busy
        Whether its worker answers, but serves another coordinator.
    """

    absent: str | None = "it was not asked yet"
    losses: int = 0
    recent_losses: tuple[float, ...] = ()
    fruitless_losses: int = 0
    rests_until: float | None = None
    rests: int = 0
    barred: bool = False
    busy: bool = False


@dataclass(frozen=True)
class Fleet:
    """All boards of a run, by name; every change returns another fleet."""

    states: Mapping[str, BoardState]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Fleet":
        """Return boards none of which has answered yet."""
        return cls({name: BoardState() for name in names})

    @property
    def present(self) -> tuple[str, ...]:
        """Boards whose workers answer and serve this coordinator."""
        return tuple(name for name, state in self.states.items() if state.absent is None)

    @property
    def absent(self) -> dict[str, str]:
        """Boards that are not present, and why."""
        return {
            name: state.absent for name, state in self.states.items() if state.absent is not None
        }

    @property
    def awaited(self) -> tuple[str, ...]:
        """Absent boards that may join now."""
        return tuple(
            name
            for name in self.absent
            if not self.states[name].barred and self.states[name].rests_until is None
        )

    @property
    def expected(self) -> tuple[str, ...]:
        """Absent boards that are worth waiting for: they were lost in this run, or are busy."""
        return tuple(
            name
            for name in self.absent
            if not self.states[name].barred and (self.states[name].losses or self.states[name].busy)
        )

    def require(self, boards: Iterable[str]) -> None:
        """Make sure that all of these boards are present.

        Raises
        ------
        BoardsLostError
            If some are not; the message says which, and why.
        """
        absent = self.absent
        reasons = [f"{name}: {absent[name]}" for name in boards if name in absent]
        if reasons:
            raise BoardsLostError("; ".join(reasons))

    def joined(self, board: str) -> "Fleet":
        """Return the fleet with a board present, unless it is barred or rests."""
        state = self.states[board]
        if state.barred or state.rests_until is not None:
            return self
        return self._with(board, replace(state, absent=None, busy=False))

    def unavailable(self, board: str, reason: str, *, busy: bool = False) -> "Fleet":
        """Return the fleet with a board absent that could not be had, which is no loss."""
        return self._with(board, replace(self.states[board], absent=reason, busy=busy))

    def lost(self, board: str, reason: str, now: float) -> "Fleet":
        """Return the fleet with a board absent that was present, at a time of the run's clock.

        Losses in quick succession have it rest, unless it is the last one present. Only a board
        that is lost again and again while no slice is finished stays out.
        """
        state = self.states[board]
        recent = (*(at for at in state.recent_losses if now - at < LOSS_WINDOW_SECONDS), now)
        fruitless = state.fruitless_losses + 1
        rests = len(recent) >= MAX_LOSSES and len(self.present) > 1
        pause = min(LONGEST_REST_SECONDS, FIRST_REST_SECONDS * 2**state.rests)
        return self._with(
            board,
            BoardState(
                reason,
                state.losses + 1,
                () if rests else recent,
                fruitless,
                now + pause if rests else None,
                state.rests + rests,
                barred=fruitless >= MAX_FRUITLESS_LOSSES,
            ),
        )

    def stalled(self, board: str, reason: str, now: float) -> "Fleet":
        """Return the fleet in which a board rests that answers, but gets nothing done."""
        lost = self.lost(board, reason, now).states[board]
        pause = min(LONGEST_REST_SECONDS, FIRST_REST_SECONDS * 2**lost.rests)
        if lost.rests_until is None:
            lost = replace(lost, rests_until=now + pause, rests=lost.rests + 1)
        return self._with(board, lost)

    def rested(self, now: float) -> "Fleet":
        """Return the fleet in which boards that have rested long enough may join again."""
        ready = {
            name: replace(state, rests_until=None)
            for name, state in self.states.items()
            if state.rests_until is not None and state.rests_until <= now
        }
        return Fleet({**self.states, **ready}) if ready else self

    def progressed(self) -> "Fleet":
        """Return the fleet after a slice was finished: no loss before it was fruitless."""
        if not any(state.fruitless_losses for state in self.states.values()):
            return self
        return Fleet(
            {name: replace(state, fruitless_losses=0) for name, state in self.states.items()}
        )

    def barred(self, board: str, reason: str) -> "Fleet":
        """Return the fleet without a board that can't or won't do its part in this run."""
        return self._with(board, replace(self.states[board], absent=reason, barred=True))

    def renewed(self) -> "Fleet":
        """Return the fleet at the start of another run: losses and bars no longer count."""
        return Fleet(
            {name: BoardState(state.absent, busy=state.busy) for name, state in self.states.items()}
        )

    def _with(self, board: str, state: BoardState) -> "Fleet":
        return Fleet({**self.states, board: state})
