"""``edgeseg segment`` on DICOM: a real series to a NIfTI mask and a DICOM segmentation."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import highdicom
import nibabel as nib
import numpy as np
import pytest
from dicom_copies import another_series, write_small
from processes import RunningWorker, edgeseg
from scans import names, write_ct

_WITHOUT_EXTRA = """
import sys
sys.modules["pydicom"] = None
sys.argv = ["edgeseg", *sys.argv[1:]]
from edgeseg.cli.main import main
main()
"""


def test_a_real_series_to_mask_and_segmentation(
    dicom_series: Path, worker: RunningWorker, tiny_bundle: Path, tmp_path: Path
) -> None:
    """The two results hold the same voxels at the same places."""
    mask, seg = tmp_path / "mask.nii.gz", tmp_path / "seg.dcm"
    board = ("--board", worker.endpoint)
    ran = edgeseg("segment", tiny_bundle, dicom_series, "-o", mask, "--dicom-seg", seg, *board)
    assert ran.code == 0, ran.err
    assert "has lost its StudyInstanceUID, SeriesInstanceUID" in ran.complaint
    assert f"wrote {seg}" in ran.out
    assert names(tmp_path) == {"mask.nii.gz", "seg.dcm"}
    made: Any = nib.load(mask)
    assert made.shape == (512, 512, 20)
    read = highdicom.seg.segread(seg).get_volume(combine_segments=True)
    to_index = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ read.affine) @ made.affine
    marked = np.argwhere(np.asarray(made.dataobj) > 0)
    assert marked.size
    k, row, col = (marked @ to_index[:3, :3].T + to_index[:3, 3]).round().astype(int).T
    labels = np.asarray(made.dataobj)[tuple(marked.T)]
    np.testing.assert_array_equal(read.array[k, row, col], labels)
    assert np.count_nonzero(read.array) == len(marked)


def test_a_series_is_chosen_among_several(
    dicom_series: Path, worker: RunningWorker, tiny_bundle: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    study.mkdir()
    first = write_small(dicom_series, study / "a")
    another_series(first, study / "b", SeriesNumber=4, SeriesDescription="Abdomen")
    words = ("segment", tiny_bundle, study, "-o", tmp_path / "mask.nii.gz")
    ran = edgeseg(*words)
    assert ran.code == 2
    assert "series 3 'CT Body 3.0' (20 slices, 2 mm apart); series 4 'Abdomen'" in ran.complaint
    ran = edgeseg(*words, "--series", "abdomen", "--board", worker.endpoint)
    assert (ran.code, ran.err) == (0, "")


def test_a_segmentation_is_for_dicom_alone(tiny_bundle: Path, tmp_path: Path) -> None:
    scan = write_ct(tmp_path / "ct.nii.gz")
    output = ("-o", tmp_path / "mask.nii.gz")
    for flag in (("--dicom-seg", tmp_path / "seg.dcm"), ("--series", "3"), ("--acquisition", "2")):
        ran = edgeseg("segment", tiny_bundle, scan, *output, *flag)
        assert ran.code == 2
        assert f"{flag[0]} is for DICOM" in ran.complaint
    assert names(tmp_path) == {"ct.nii.gz"}


@pytest.mark.parametrize("seg", [False, True])
def test_without_the_extra_its_name_is_told(seg: bool, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "IM1").write_bytes(bytes(128) + b"DICM")
    scan = write_ct(tmp_path / "ct.nii.gz") if seg else tmp_path / "ct"
    words = ["segment", tiny_bundle, scan, "-o", tmp_path / "mask.nii.gz"]
    words += ["--dicom-seg", tmp_path / "seg.dcm"] if seg else []
    command = [sys.executable, "-c", _WITHOUT_EXTRA, *map(str, words)]
    ran = subprocess.run(command, capture_output=True, check=False, text=True)
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert "pip install 'edgeseg[dicom]'" in line
