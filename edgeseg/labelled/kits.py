"""The KiTS data set as its authors lay it out: ``case_00000/imaging.nii.gz`` and its label."""

import re
from pathlib import Path

from edgeseg.errors import VolumeError
from edgeseg.labelled.labels import KITS_VALUES
from edgeseg.labelled.slices import LabelledSlices
from edgeseg.labelled.volumes import Case, slices_of

_CASE = re.compile(r"case_\d+")
_IMAGE, _LABEL = "imaging.nii.gz", "segmentation.nii.gz"


def read_kits(folder: Path) -> LabelledSlices:
    """List all slices of all ``case_XXXXX`` folders, in the order of their numbers.

    Returns
    -------
    tuple of LabelledSlice
        From feet to head within a case; ``case_00025_z060`` is slice 60 as the file counts. None
        if there is no such folder.

    Raises
    ------
    VolumeError
        If a case lacks its image or label, or they lie on different grids.
    """
    source = folder.resolve().name
    cases = sorted(path for path in folder.iterdir() if _CASE.fullmatch(path.name))
    return slices_of([_case(case, source) for case in cases if case.is_dir()])


def _case(folder: Path, source: str) -> Case:
    image, label = folder / _IMAGE, folder / _LABEL
    if not image.is_file():
        raise VolumeError(f"{folder} has no {_IMAGE}; fetch it with kits23_download_data")
    if not label.is_file():
        raise VolumeError(f"{image} has no label; {label} is missing")
    return Case(folder.name, source, image, label, KITS_VALUES)
