"""Which boards are there, why others are not, and which of those may still come. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

MOST_LOSSES = 3
"""A board that was lost so often in one run stays out of it: each loss costs slices in flight."""


@dataclass(frozen=True)
class BoardState:
    """How a board stands.

    Parameters
    ----------
    absent
        Why it is not there; None where it is.
    losses
        How often it was lost in this run.
    barred
        Whether it stays out for the rest of the run.
    busy
        Whether it is up, but works for somebody else.
    """

    absent: str | None = "it was not asked yet"
    losses: int = 0
    barred: bool = False
    busy: bool = False


@dataclass(frozen=True)
class Fleet:
    """All boards of a run, by name."""

    standings: Mapping[str, BoardState]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Fleet":
        """Return boards of which none has been heard."""
        return cls({name: BoardState() for name in names})

    @property
    def present(self) -> tuple[str, ...]:
        """Boards that are there."""
        return tuple(name for name, one in self.standings.items() if one.absent is None)

    @property
    def absent(self) -> dict[str, str]:
        """Boards that are not there, and why."""
        return {name: one.absent for name, one in self.standings.items() if one.absent is not None}

    @property
    def awaited(self) -> tuple[str, ...]:
        """Boards that are not there but may come."""
        return tuple(name for name in self.absent if not self.standings[name].barred)

    @property
    def expected(self) -> tuple[str, ...]:
        """Boards that are worth waiting for: they were there once, or are up but busy."""
        return tuple(
            name
            for name in self.awaited
            if self.standings[name].losses or self.standings[name].busy
        )

    def came(self, board: str) -> "Fleet":
        """Return the fleet with a board that is there now, unless that is barred."""
        standing = self.standings[board]
        if standing.barred:
            return self
        return self._with(board, replace(standing, absent=None, busy=False))

    def missed(self, board: str, reason: str, *, busy: bool = False) -> "Fleet":
        """Return the fleet without a board that could not be had, which is no loss."""
        return self._with(board, replace(self.standings[board], absent=reason, busy=busy))

    def lost(self, board: str, reason: str) -> "Fleet":
        """Return the fleet without a board that was there; too many losses bar it."""
        losses = self.standings[board].losses + 1
        return self._with(board, BoardState(reason, losses, barred=losses >= MOST_LOSSES))

    def barred(self, board: str, reason: str) -> "Fleet":
        """Return the fleet without a board that can't or won't do its part."""
        return self._with(board, replace(self.standings[board], absent=reason, barred=True))

    def renewed(self) -> "Fleet":
        """Return the fleet at the start of another run: what was held against boards is forgot."""
        return Fleet(
            {name: replace(one, losses=0, barred=False) for name, one in self.standings.items()}
        )

    def _with(self, board: str, standing: BoardState) -> "Fleet":
        return Fleet({**self.standings, board: standing})
