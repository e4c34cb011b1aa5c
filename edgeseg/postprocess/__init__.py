"""Post-processing in three dimensions: rules on the bodies of labels, and what they changed."""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports

if TYPE_CHECKING:
    from edgeseg.postprocess.apply import postprocess
    from edgeseg.postprocess.report import PostprocessReport
    from edgeseg.postprocess.rules_file import read_rules
    from edgeseg.postprocess.voxel_size import VoxelSize

__all__ = ["PostprocessReport", "VoxelSize", "postprocess", "read_rules"]
__getattr__ = lazy_exports(
    __name__,
    {
        "PostprocessReport": "report",
        "VoxelSize": "voxel_size",
        "postprocess": "apply",
        "read_rules": "rules_file",
    },
)
