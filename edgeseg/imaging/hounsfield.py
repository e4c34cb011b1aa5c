"""Tells by its values a scan that can't be CT in HU: one that was scaled, or has an offset."""

from dataclasses import dataclass

import numpy as np

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.imaging.levels import Grey, Hounsfield
from edgeseg.imaging.neighbours import input_notes
from edgeseg.imaging.nifti import AIR
from edgeseg.imaging.scan import Slices

NO_AIR = -200
"""HU; fat is denser, lung and the air around a patient are thinner."""

_LEAST_AIR = 1e-4
"""Share of a scan's voxels: what artefacts of metal alone may reach."""

_OFFSET = 1024
"""What scanners add to HU to store them without a sign."""

_SOFT_TISSUE = 200
"""HU; the most that soft tissue differs from water."""

_MUCH = 0.2
_GREY = 255


@dataclass
class _Values:
    """What is counted of a scan's values; those at -1024 and below stand for no tissue."""

    lowest: float = np.inf
    highest: float = -np.inf
    voxels: int = 0
    air: int = 0
    raised: int = 0
    filled: bool = False

    def add(self, image: Hounsfield | Grey) -> None:
        filled = bool(image.min() <= AIR)
        tissue = image[image > AIR] if filled else image
        self.filled |= filled
        if not tissue.size:
            return
        self.lowest = min(self.lowest, float(tissue.min()))
        self.highest = max(self.highest, float(tissue.max()))
        self.voxels += tissue.size
        self.air += int(np.count_nonzero(tissue < NO_AIR))
        self.raised += int(np.count_nonzero(np.abs(tissue - _OFFSET) <= _SOFT_TISSUE))

    @property
    def doubt(self) -> str | None:
        """Why these are no HU, or None."""
        if not self.voxels or self.lowest == self.highest:
            return None
        reach = f"its values lie between {self.lowest:.4g} and {self.highest:.4g}"
        if max(-self.lowest, self.highest) <= 1:
            return f"{reach}, as where HU were scaled to the range of a model"
        if self.raised > _MUCH * self.voxels:
            return f"{reach}, with nothing below {NO_AIR}: they look like HU + {_OFFSET}"
        # What has no voxel of thin air may still be CT whose air was all set to one value.
        if self.filled:
            return None
        if self.lowest >= 0 and self.highest <= _GREY:
            return f"{reach}, as those of a picture do"
        return f"{reach}, with nothing below {NO_AIR}, where a CT has air"


def notes_on(slices: Slices) -> tuple[str, ...]:
    """Return what should be known about a scan, a line each.

    That its values look like no HU is a note and no error: a volume that was cropped to an organ
    may hold no air. Slices are read one by one, and no more of them than it takes to find air: of
    a CT in HU a few.
    """
    notes = (slices.warning, _doubt(slices))
    return tuple(note for note in notes if note)


def notes_for_model(slices: Slices, preprocessing: Preprocessing) -> tuple[str, ...]:
    """Return what should be known about a scan that a model reads so, a line each.

    Raises
    ------
    VolumeError
        If it consists of pictures, which show no second window, and the model reads several.
    """
    return (*notes_on(slices), *input_notes(slices, preprocessing))


def _doubt(slices: Slices) -> str | None:
    if slices.windowed:
        return None
    geometries = (slices.geometry(index) for index in range(len(slices)))
    enough = _LEAST_AIR * sum(geometry.rows * geometry.cols for geometry in geometries)
    values = _Values()
    for index in range(len(slices)):
        values.add(slices.slice(index))
        if values.air > enough:
            return None
    doubt = values.doubt
    if doubt is None:
        return None
    return f"is this CT in HU? {doubt}; look at the mask before you use it, or give the scan in HU"
