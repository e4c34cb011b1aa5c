"""Slices on their way through the boards: which lane each is with, and what is to be sent again.

No sockets.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edgeseg.imaging.slices import Grey, SliceGeometry


@dataclass(frozen=True)
class PendingSlice:
    """One slice ready for the boards: index, native grid, and the 8-bit image (H, W)."""

    index: int
    geometry: SliceGeometry
    grey: Grey


@dataclass(frozen=True)
class Result:
    """One slice back from the boards: 8-bit probabilities (H, W, C) or a native mask."""

    index: int
    kind: str
    array: Grey


class Backlog:
    """Slices from the first to the last.

    Invariants:

    - a slice that was begun is with one lane, or waits to be sent again, or is finished;
    - a slice is finished once;
    - no lane has more slices than its window.

    Parameters
    ----------
    images
        The slices, each of an index of its own.
    """

    def __init__(self, images: Iterable[PendingSlice]) -> None:
        self._coming = iter(images)
        self._ahead: PendingSlice | None = None
        self._again: deque[PendingSlice] = deque()
        self._windows: tuple[int, ...] = ()
        self._lanes: list[dict[int, PendingSlice]] = []
        self.exhausted = False

    @property
    def done(self) -> bool:
        """Whether all slices are finished; known once the last was asked for."""
        waiting = self._again or self._ahead is not None or any(self._lanes)
        return self.exhausted and not waiting

    def restart(self, windows: Sequence[int]) -> int:
        """Take all slices back from the lanes and go on with others; return how many they were.

        Parameters
        ----------
        windows
            How many slices each of the new lanes may have.
        """
        back = sorted(
            (image for lane in self._lanes for image in lane.values()), key=lambda i: i.index
        )
        self._again.extendleft(reversed(back))
        self._windows = tuple(windows)
        self._lanes = [{} for _ in windows]
        return len(back)

    def admit(self) -> Iterator[tuple[PendingSlice, int]]:
        """Yield slices and the lanes they go to, while there is room.

        Each goes where the largest share of the window is free.
        """
        while (lane := self._lane_with_room()) is not None:
            if not self._again:
                self.look_ahead()
            image = self._again.popleft() if self._again else self._ahead
            if image is None:
                return
            if image is self._ahead:
                self._ahead = None
            self._lanes[lane][image.index] = image
            yield image, lane

    def look_ahead(self) -> None:
        """Make the next slice ready, which takes a while, if none is."""
        if self._ahead is None and not self.exhausted:
            self._ahead = next(self._coming, None)
            self.exhausted = self._ahead is None

    def awaited(self, index: int) -> tuple[PendingSlice, int] | None:
        """Return a slice that is with some lane, and that lane's number, or None."""
        lanes = enumerate(self._lanes)
        return next(((lane[index], number) for number, lane in lanes if index in lane), None)

    def finish(self, index: int) -> None:
        """Take a slice for finished that is with some lane."""
        for lane in self._lanes:
            lane.pop(index, None)

    def _lane_with_room(self) -> int | None:
        shares = [
            (len(lane) / window, number)
            for number, (lane, window) in enumerate(zip(self._lanes, self._windows, strict=True))
            if len(lane) < window
        ]
        return min(shares)[1] if shares else None
