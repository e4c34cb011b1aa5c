"""A sequence of slices on their way to boards, each prepared when it is asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

from edgeseg_runtime.coordination.backlog import PendingSlice


class PendingSlices(Sequence[PendingSlice]):
    """Slices that are made one at a time; whoever asks twice has one made twice."""

    @overload
    def __getitem__(self, place: int) -> PendingSlice: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[PendingSlice]: ...

    def __getitem__(self, place: int | slice) -> PendingSlice | Sequence[PendingSlice]:
        """Prepare one slice, or several.

        Raises
        ------
        VolumeError
            If one can't be read, or is none that the model reads.
        """
        if isinstance(place, slice):
            return [self._prepared(each) for each in range(len(self))[place]]
        return self._prepared(range(len(self))[place])

    @abstractmethod
    def _prepared(self, place: int) -> PendingSlice:
        """Prepare the slice at a place, which is counted from the first."""
