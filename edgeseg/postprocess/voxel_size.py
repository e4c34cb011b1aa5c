"""How large the voxels of a scan are, where it says so."""

from dataclasses import dataclass

from edgeseg.imaging.scan import Slices


@dataclass(frozen=True, slots=True)
class VoxelSize:
    """Extents of a voxel in mm: along the slices, the rows and the columns."""

    slice_mm: float
    row_mm: float
    col_mm: float

    @property
    def ml(self) -> float:
        """Its volume in millilitres."""
        return self.slice_mm * self.row_mm * self.col_mm / 1000


def voxel_size(slices: Slices) -> VoxelSize | None:
    """Return the size of a scan's voxels, or None where it does not say all of it."""
    if not len(slices):
        return None
    geometry, slice_mm = slices.geometry(0), slices.slice_mm
    if slice_mm is None or geometry.row_mm is None or geometry.col_mm is None:
        return None
    return VoxelSize(slice_mm, geometry.row_mm, geometry.col_mm)
