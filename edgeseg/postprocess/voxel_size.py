"""How large the voxels of a scan are, where it says so."""

from edgeseg.imaging.scan import Slices
from edgeseg.postprocess.neighbours import VoxelSize


def voxel_size(slices: Slices) -> VoxelSize | None:
    """Return the size of a scan's voxels, or None where it does not say all of it."""
    if not len(slices):
        return None
    geometry = slices.geometry(0)
    extents = (slices.slice_mm, geometry.row_mm, geometry.col_mm)
    return None if None in extents else VoxelSize(*(float(extent or 0) for extent in extents))
