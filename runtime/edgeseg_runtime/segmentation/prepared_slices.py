"""The slices of a scan that are to be segmented, each prepared when it is asked for."""

from collections.abc import Sequence

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.imaging.neighbours import SliceLevels
from edgeseg.imaging.scan import Slices
from edgeseg_runtime.coordination.backlog import PendingSlice
from edgeseg_runtime.segmentation.pending_slices import PendingSlices


class PreparedSlices(PendingSlices):
    """Slices in the model's grid, as they travel.

    Parameters
    ----------
    slices
        The scan.
    indices
        Which of its slices.
    preprocessing
        That of the manifest.
    """

    def __init__(
        self, slices: Slices, indices: Sequence[int], preprocessing: Preprocessing
    ) -> None:
        self._slices = slices
        self._indices = indices
        self._levels = SliceLevels(slices, preprocessing)
        self._has_neighbours = preprocessing.planes > 1

    def __len__(self) -> int:
        """Return how many slices there are."""
        return len(self._indices)

    def _prepared(self, place: int) -> PendingSlice:
        index = self._indices[place]
        numbers = self._levels.numbers(index) if self._has_neighbours else ()
        return PendingSlice(index, self._slices.geometry(index), self._levels.of(index), numbers)
