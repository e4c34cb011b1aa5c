"""When a slice in flight, or a step that runs, has taken too long to be waited for. Pure."""

import statistics
from collections import deque

FLOOR_SECONDS = 20.0
"""No deadline is shorter: a busy machine may stand still for some seconds."""

_FACTOR = 10.0
"""Times as long as expected until a deadline."""

_RECENT = 50


class Deadlines:
    """How long the slices of a run may take, from the plan and from those that came back.

    A deadline that was missed is doubled for the rest of the run, so that boards which are slow
    rather than hanging do finish.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._missed = 0

    def note_slice(self, seconds: float) -> None:
        """Note how long a slice was in flight."""
        self._recent.append(seconds)

    def note_missed(self) -> None:
        """Note that a deadline has passed."""
        self._missed += 1

    def seconds(self, planned_seconds: float) -> float:
        """Return how long a slice may be in flight.

        Parameters
        ----------
        planned_seconds
            How long it is in flight by the plan.
        """
        measured_seconds = statistics.median(self._recent) if self._recent else 0.0
        expected_seconds = max(planned_seconds, measured_seconds)
        return float(max(FLOOR_SECONDS, _FACTOR * expected_seconds) * 2**self._missed)
