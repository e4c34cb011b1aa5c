"""Time limits on a clock that is passed in: the only module of planning that knows of time."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Returns the seconds since some fixed moment."""

SYSTEM_CLOCK: Clock = time.monotonic


@dataclass(frozen=True)
class Deadline:
    """A moment at which a search stops.

    Parameters
    ----------
    moment
        Seconds on the clock; infinite for a search without a limit.
    clock
        What it is read from.
    """

    moment: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock = SYSTEM_CLOCK) -> "Deadline":
        """Return the deadline that many seconds from now."""
        return cls(clock() + seconds, clock)

    @property
    def seconds_left(self) -> float:
        """Seconds until then; negative once it has passed."""
        return self.moment - self.clock()

    @property
    def passed(self) -> bool:
        """Whether time is up."""
        return self.seconds_left <= 0

    def within(self, share: float) -> "Deadline":
        """Return the deadline after a share, from 0 to 1, of the seconds that are left."""
        if math.isinf(self.moment):
            return self
        now = self.clock()
        return Deadline(now + share * (self.moment - now), self.clock)


def _stopped() -> float:
    return 0.0


NEVER = Deadline(math.inf, _stopped)
"""No limit: never passes, and reads no clock."""
