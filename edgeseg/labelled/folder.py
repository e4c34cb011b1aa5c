"""Which layout a folder of labelled CT has."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from edgeseg.errors import VolumeError
from edgeseg.labelled.kits import read_kits
from edgeseg.labelled.nnunet import read_nnunet
from edgeseg.labelled.pictures import read_labelled_pictures
from edgeseg.labelled.slices import LabelledSlices
from edgeseg.progress import Progress, silent
from edgeseg.text.suggestions import near_path

Layout: TypeAlias = Callable[[Path], LabelledSlices]
"""Lists a folder's slices, or none where the folder is laid out another way.

It raises VolumeError where the layout is its own and something in it is wrong or missing.
"""

_READABLE = (
    "give PNGs in images/ and labels/, KiTS cases as case_00000/imaging.nii.gz and "
    "segmentation.nii.gz, or nnU-Net's imagesTr/ and labelsTr/"
)


def read_labelled(folder: Path, progress: Progress = silent) -> LabelledSlices:
    """List the labelled slices of a folder, whichever of the known layouts it has.

    Pictures and headers are checked at once, voxels are read when a slice is: see
    :mod:`edgeseg.labelled.pictures`, :mod:`edgeseg.labelled.kits` and
    :mod:`edgeseg.labelled.nnunet` for the layouts, :mod:`edgeseg.labelled.volumes` for what
    the order of reading costs.

    Parameters
    ----------
    folder
        In one of these layouts.
    progress
        Is told how many pictures are checked.

    Raises
    ------
    VolumeError
        If the folder has no known layout or holds no slice, an image lacks its label or differs
        from it in size, or a picture's label has an unknown value.
    """
    try:
        if not folder.is_dir():
            raise VolumeError(f"{folder} is no folder; {_READABLE}{near_path(folder)}")
        for layout in _layouts(progress):
            if slices := layout(folder):
                return slices
    except OSError as error:
        raise VolumeError(f"{folder} can't be read ({error.strerror}); {_READABLE}") from None
    raise VolumeError(f"{folder} has no labelled slices; {_READABLE}")


def _layouts(progress: Progress) -> tuple[Layout, ...]:
    return partial(read_labelled_pictures, progress=progress), read_kits, read_nnunet
