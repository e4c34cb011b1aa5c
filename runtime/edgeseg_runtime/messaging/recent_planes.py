"""Which slices' levels both ends of a connection hold, so that none is sent twice. Pure."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

_Plane = TypeVar("_Plane")


class RecentPlanes(Generic[_Plane]):
    """The planes that were used last, by the numbers of their slices.

    Sender and receiver have one each. Messages arrive in the order in which they are sent, so
    after the same calls both hold the same numbers, and neither need tell the other.

    Invariant: no more planes are held than there is room for.

    Parameters
    ----------
    room
        How many planes are held; at least as many as one slice uses.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._held: OrderedDict[int, _Plane] = OrderedDict()

    def __len__(self) -> int:
        """Return how many planes are held."""
        return len(self._held)

    def missing(self, numbers: Sequence[int]) -> tuple[int, ...]:
        """Return which of some planes are not held, each once, in order."""
        return tuple(number for number in dict.fromkeys(numbers) if number not in self._held)

    def use(self, numbers: Sequence[int], added: Mapping[int, _Plane]) -> list[_Plane]:
        """Return planes, of which those that were missing are added; the oldest make room.

        Parameters
        ----------
        numbers
            Of the planes; one may occur several times.
        added
            Those that :meth:`missing` names.
        """
        for number in numbers:
            if number not in self._held:
                self._held[number] = added[number]
            self._held.move_to_end(number)
        while len(self._held) > self._room:
            self._held.popitem(last=False)
        return [self._held[number] for number in numbers]
