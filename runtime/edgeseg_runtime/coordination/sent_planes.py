"""What of a stack of neighbouring slices a board lacks, and so is to be sent. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.imaging.levels import Levels
from edgeseg_runtime.messaging.recent_planes import RecentPlanes


class SentPlanes:
    """The planes that each board holds in each lane, in one epoch.

    Parameters
    ----------
    planes
        How many neighbouring slices the model reads for one.
    """

    def __init__(self, planes: int) -> None:
        self._planes = planes
        self._held: dict[tuple[str, int], RecentPlanes[None]] = {}

    def to_send(
        self, board: str, lane: int, numbers: Sequence[int], levels: Levels
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return the planes that a board lacks, (M, H, W), and note that it will hold them.

        Parameters
        ----------
        board, lane
            Where they are sent to.
        numbers
            Of the slices, unique within the epoch.
        levels
            Of all of them, (N, H, W).
        """
        held = self._held.setdefault((board, lane), RecentPlanes(self._planes))
        missing = held.missing(numbers)
        held.use(numbers, dict.fromkeys(missing))
        return levels[[numbers.index(number) for number in missing]]
