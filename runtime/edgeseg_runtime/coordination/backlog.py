"""Slices of a run: which lane has each in flight, and which are to be sent again. No sockets."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edgeseg.imaging.levels import Grey, Levels
from edgeseg.imaging.slices import SliceGeometry


@dataclass(frozen=True)
class PendingSlice:
    """One slice ready for the boards: index, native grid, and the levels of its image.

    These are (H, W), or (N, H, W) where the model reads N neighbouring slices.
    """

    index: int
    geometry: SliceGeometry
    levels: Levels


@dataclass(frozen=True)
class Result:
    """One slice back from the boards: 8-bit probabilities (H, W, C) or a native mask (H, W)."""

    index: int
    kind: str
    array: Grey


class Backlog:
    """The slices of a run, from the first admitted to the last finished.

    Invariants:

    - an admitted slice is in flight on one lane, or waits to be sent again, or is finished;
    - a slice is finished once;
    - no lane has more slices in flight than its limit.

    Parameters
    ----------
    slices
        The slices; each index occurs once. They are drawn one at a time, as there is room.

    Attributes
    ----------
    exhausted
        Whether the last slice has been drawn.
    """

    def __init__(self, slices: Iterable[PendingSlice]) -> None:
        self._source = iter(slices)
        self._prepared: PendingSlice | None = None
        self._to_replay: deque[PendingSlice] = deque()
        self._limits: tuple[int, ...] = ()
        self._lanes: list[dict[int, PendingSlice]] = []
        self.exhausted = False

    @property
    def done(self) -> bool:
        """Whether all slices are finished; known only once the source is exhausted."""
        waiting = self._to_replay or self._prepared is not None or any(self._lanes)
        return self.exhausted and not waiting

    def restart(self, limits: Sequence[int]) -> int:
        """Take all slices in flight back, to be sent again first, over other lanes.

        Parameters
        ----------
        limits
            Of each of the new lanes, how many slices it may have in flight.

        Returns
        -------
        int
            How many slices were in flight.
        """
        interrupted = sorted(
            (pending for lane in self._lanes for pending in lane.values()),
            key=lambda pending: pending.index,
        )
        self._to_replay.extendleft(reversed(interrupted))
        self._limits = tuple(limits)
        self._lanes = [{} for _ in limits]
        return len(interrupted)

    def admit(self) -> Iterator[tuple[PendingSlice, int]]:
        """Yield slices and the numbers of the lanes that take them, while a lane has room.

        A slice goes to the lane with the largest share of its limit free.
        """
        while (lane := self._lane_with_room()) is not None:
            if not self._to_replay:
                self.look_ahead()
            pending = self._to_replay.popleft() if self._to_replay else self._prepared
            if pending is None:
                return
            if pending is self._prepared:
                self._prepared = None
            self._lanes[lane][pending.index] = pending
            yield pending, lane

    def look_ahead(self) -> None:
        """Prepare the next slice unless one is prepared; preparing takes a while."""
        if self._prepared is None and not self.exhausted:
            self._prepared = next(self._source, None)
            self.exhausted = self._prepared is None

    def in_flight(self, index: int) -> tuple[PendingSlice, int] | None:
        """Return the slice of an index and its lane's number, or None if it is not in flight."""
        lanes = enumerate(self._lanes)
        return next(((lane[index], number) for number, lane in lanes if index in lane), None)

    def finish(self, index: int) -> None:
        """Take a slice out of the lane that has it in flight: its result has come back."""
        for lane in self._lanes:
            lane.pop(index, None)

    def _lane_with_room(self) -> int | None:
        shares = [
            (len(lane) / limit, number)
            for number, (lane, limit) in enumerate(zip(self._lanes, self._limits, strict=True))
            if len(lane) < limit
        ]
        return min(shares)[1] if shares else None
