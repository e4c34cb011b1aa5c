"""Slices of a run: which lane has each in flight, and which are to be sent again. No sockets."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgeseg.imaging.levels import Grey, Levels
from edgeseg.imaging.slices import SliceGeometry


@dataclass(frozen=True)
class PendingSlice:
    """One slice ready for the boards.

    Attributes
    ----------
    index
        Its number in the scan.
    geometry
        Its native grid.
    levels
        Its image in levels, (H, W), or (N, H, W) where the model reads N neighbouring slices.
    planes
        The numbers of these slices in the scan, from feet to head; none where one is read.
    """

    index: int
    geometry: SliceGeometry
    levels: Levels
    planes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """One slice back from the boards: 8-bit probabilities (H, W, C) or a native mask (H, W)."""

    index: int
    kind: str
    array: Grey


class Backlog:
    """The slices of a run, from the first admitted to the last finished.

    Invariants:

    - a slice waits in one queue, or is in flight on one lane, or is finished;
    - a slice is finished once;
    - no lane has more slices in flight than its limit;
    - what is taken back from lanes is sent again before any slice behind it.

    Parameters
    ----------
    slices
        The slices; each index occurs once. They are drawn one at a time, as there is room.
    in_runs
        Whether each lane gets slices that follow one another, since boards then hold the
        neighbours already; else the next slice goes to whichever lane has room.

    Attributes
    ----------
    exhausted
        Whether every slice has been drawn.
    """

    def __init__(self, slices: Sequence[PendingSlice], *, in_runs: bool = False) -> None:
        self._slices = slices
        self._in_runs = in_runs
        self._undrawn = len(slices)
        # Places in the sequence, in order: one queue for all lanes, or one for each.
        self._queues = [deque(range(len(slices)))]
        self._drawn: dict[int, PendingSlice] = {}
        self._limits: tuple[int, ...] = ()
        self._lanes: list[dict[int, tuple[int, PendingSlice]]] = []

    @property
    def exhausted(self) -> bool:
        """Whether every slice has been drawn."""
        return not self._undrawn

    @property
    def done(self) -> bool:
        """Whether all slices are finished."""
        return not any(self._queues) and not any(self._lanes)

    def restart(self, limits: Sequence[int]) -> int:
        """Take all slices in flight back, to be sent again first, over other lanes.

        Parameters
        ----------
        limits
            How many slices each lane may have in flight from now on.

        Returns
        -------
        int
            How many slices were in flight.
        """
        interrupted = dict(flight for lane in self._lanes for flight in lane.values())
        self._drawn |= interrupted
        waiting = sorted([*interrupted, *(place for queue in self._queues for place in queue)])
        self._limits = tuple(limits)
        self._lanes = [{} for _ in limits]
        shares = max(1, len(limits)) if self._in_runs else 1
        edges = [round(len(waiting) * share / shares) for share in range(shares + 1)]
        self._queues = [deque(waiting[start:end]) for start, end in pairwise(edges)]
        return len(interrupted)

    def admit(self) -> Iterator[tuple[PendingSlice, int]]:
        """Yield slices and the numbers of the lanes that take them, while a lane has room.

        A slice goes to the lane with the largest share of its limit free.
        """
        while (lane := self._lane_with_room()) is not None:
            queue = self._queue_of(lane)
            if not queue:
                return
            pending = self._draw(queue[0])
            place = queue.popleft()
            del self._drawn[place]
            self._lanes[lane][pending.index] = place, pending
            yield pending, lane

    def look_ahead(self) -> None:
        """Prepare the next slice of a queue unless it is prepared; preparing takes a while."""
        for queue in self._queues:
            if queue and queue[0] not in self._drawn:
                self._draw(queue[0])
                return

    def in_flight(self, index: int) -> tuple[PendingSlice, int] | None:
        """Return the slice of an index and its lane's number, or None if it is not in flight."""
        lanes = enumerate(self._lanes)
        return next(((lane[index][1], number) for number, lane in lanes if index in lane), None)

    def finish(self, index: int) -> None:
        """Take a slice out of the lane that has it in flight: its result has come back."""
        for lane in self._lanes:
            lane.pop(index, None)

    def _draw(self, place: int) -> PendingSlice:
        if place not in self._drawn:
            self._drawn[place] = self._slices[place]
            self._undrawn -= 1
        return self._drawn[place]

    def _queue_of(self, lane: int) -> deque[int]:
        """Return the queue of a lane; an empty one is given half of what the longest has left."""
        if not self._in_runs:
            return self._queues[0]
        queue, longest = self._queues[lane], max(self._queues, key=len)
        if not queue:
            taken = [longest.pop() for _ in range((len(longest) + 1) // 2)]
            queue.extend(reversed(taken))
        return queue

    def _lane_with_room(self) -> int | None:
        shares = [
            (len(lane) / limit, number)
            for number, (lane, limit) in enumerate(zip(self._lanes, self._limits, strict=True))
            if len(lane) < limit
        ]
        return min(shares)[1] if shares else None
