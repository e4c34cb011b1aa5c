"""What a NIfTI header says of units and orientation is taken as it is meant, and kept."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from edgeseg.imaging.nifti import read_volume

_AFFINE = np.array([[-3.0, 0, 0, 90], [0, -3.0, 0, 80], [0, 0, 5.0, 300], [0, 0, 0, 1]])
"""In mm."""

_SHAPE = (6, 7, 4)


def written(path: Path, *, unit: str = "mm", scale: float = 1.0, codes: int = 1) -> Path:
    image = nib.Nifti1Image(np.arange(np.prod(_SHAPE), dtype=np.int16).reshape(_SHAPE), None)
    affine = _AFFINE * np.array([[scale], [scale], [scale], [1.0]])
    image.header.set_xyzt_units(unit)
    image.header.set_sform(affine, codes)
    image.header.set_qform(affine, codes)
    image.to_filename(path)
    return path


@pytest.mark.parametrize(
    ("unit", "scale"), [("mm", 1.0), ("meter", 1e-3), ("micron", 1e3), ("unknown", 1.0)]
)
def test_units_are_read_and_kept(tmp_path: Path, unit: str, scale: float) -> None:
    """SimpleITK reads 3 x 3 x 5 mm from all of them."""
    path = written(tmp_path / "ct.nii", unit=unit, scale=scale)
    scan = read_volume(path)
    assert scan.spacing == pytest.approx((5.0, 3.0, 3.0), rel=1e-5)
    np.testing.assert_allclose(scan.affine, _AFFINE, rtol=1e-5)
    scan.write(tmp_path / "mask.nii", [np.zeros((7, 6), np.uint8)] * 4)
    mask, image = (nib.load(tmp_path / name) for name in ("mask.nii", "ct.nii"))
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert mask.header.get_xyzt_units() == image.header.get_xyzt_units()


def test_a_zero_sform_beside_a_sound_qform_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "ct.nii")
    image: Any = nib.load(path)
    for row in "xyz":
        image.header[f"srow_{row}"] = 0
    header, voxels = image.header, np.asarray(image.dataobj)
    nib.Nifti1Image(voxels, None, header).to_filename(tmp_path / "zero.nii")
    scan = read_volume(tmp_path / "zero.nii")
    np.testing.assert_allclose(scan.affine, _AFFINE, atol=1e-4)
    scan.write(tmp_path / "mask.nii", [np.zeros((7, 6), np.uint8)] * 4)
    mask = nib.load(tmp_path / "mask.nii")
    np.testing.assert_allclose(mask.header.get_qform(), _AFFINE, atol=1e-4)
    np.testing.assert_allclose(mask.header.get_sform(), _AFFINE, atol=1e-4)
    np.testing.assert_allclose(mask.affine, _AFFINE, atol=1e-4)
    assert int(mask.header["sform_code"]) == int(header["qform_code"])


def test_a_sound_sform_beside_another_qform_is_kept(tmp_path: Path) -> None:
    image: Any = nib.load(written(tmp_path / "ct.nii"))
    image.header.set_qform(np.diag([2.0, 2.0, 2.0, 1.0]), 2)
    voxels = np.asarray(image.dataobj)
    nib.Nifti1Image(voxels, None, image.header).to_filename(tmp_path / "both.nii")
    read_volume(tmp_path / "both.nii").write(tmp_path / "m.nii", [np.zeros((7, 6), np.uint8)] * 4)
    mask = nib.load(tmp_path / "m.nii")
    np.testing.assert_allclose(mask.affine, _AFFINE, atol=1e-4)
    np.testing.assert_allclose(mask.header.get_qform(), np.diag([2.0, 2, 2, 1]), atol=1e-6)


def test_a_header_without_orientation_is_told(tmp_path: Path) -> None:
    assert read_volume(written(tmp_path / "said.nii")).warning is None
    warning = read_volume(written(tmp_path / "unsaid.nii", codes=0)).warning
    assert warning is not None
    assert "does not say how the patient lies" in warning


def test_texts_of_a_header_never_reach_a_mask(tmp_path: Path) -> None:
    image: Any = nib.load(written(tmp_path / "ct.nii"))
    for field in ("aux_file", "db_name", "intent_name"):
        image.header[field] = b"Doe^Jane"
    nib.Nifti1Image(np.asarray(image.dataobj), None, image.header).to_filename(tmp_path / "n.nii")
    scan = read_volume(tmp_path / "n.nii")
    scan.write(tmp_path / "mask.nii", [np.zeros((7, 6), np.uint8)] * 4)
    assert b"Doe" not in (tmp_path / "mask.nii").read_bytes()
