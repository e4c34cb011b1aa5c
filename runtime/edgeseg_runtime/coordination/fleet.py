"""Which boards are present, why others are absent, and which of those may still join. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edgeseg.errors import BoardError

MAX_LOSSES = 3
"""A board lost so often in one run stays out of it: each loss costs the slices in flight."""


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
    barred
        Whether it stays out for the rest of the run.
    busy
        Whether its worker answers, but serves another coordinator.
    """

    absent: str | None = "it was not asked yet"
    losses: int = 0
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
        """Absent boards that may still join."""
        return tuple(name for name in self.absent if not self.states[name].barred)

    @property
    def expected(self) -> tuple[str, ...]:
        """Absent boards that are worth waiting for: they were lost in this run, or are busy."""
        return tuple(
            name for name in self.awaited if self.states[name].losses or self.states[name].busy
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
        """Return the fleet with a board present, unless it is barred."""
        state = self.states[board]
        if state.barred:
            return self
        return self._with(board, replace(state, absent=None, busy=False))

    def unavailable(self, board: str, reason: str, *, busy: bool = False) -> "Fleet":
        """Return the fleet with a board absent that could not be had, which is no loss."""
        return self._with(board, replace(self.states[board], absent=reason, busy=busy))

    def lost(self, board: str, reason: str) -> "Fleet":
        """Return the fleet with a board absent that was present; too many losses bar it."""
        losses = self.states[board].losses + 1
        return self._with(board, BoardState(reason, losses, barred=losses >= MAX_LOSSES))

    def barred(self, board: str, reason: str) -> "Fleet":
        """Return the fleet without a board that can't or won't do its part in this run."""
        return self._with(board, replace(self.states[board], absent=reason, barred=True))

    def renewed(self) -> "Fleet":
        """Return the fleet at the start of another run: losses and bars no longer count."""
        return Fleet(
            {name: replace(state, losses=0, barred=False) for name, state in self.states.items()}
        )

    def _with(self, board: str, state: BoardState) -> "Fleet":
        return Fleet({**self.states, board: state})
