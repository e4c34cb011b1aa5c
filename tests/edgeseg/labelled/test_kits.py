"""KiTS cases as their authors lay them out, made from real label volumes."""

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from synthetic_cases import drawn_label, reduced_label, write_case

from edgeseg.errors import VolumeError
from edgeseg.labelled import by_patient, read_labelled


def test_cases_come_in_order_with_hu(tmp_path: Path) -> None:
    for seed, name in enumerate(("case_00010", "case_00002")):
        write_case(tmp_path / "dataset", name, drawn_label(), seed)
    (tmp_path / "dataset" / "kits23.json").write_text("[]")
    (tmp_path / "dataset" / "case_notes").mkdir()
    (tmp_path / "dataset" / "case_00003").write_text("no folder")
    slices = read_labelled(tmp_path / "dataset")
    assert list(by_patient(slices)) == ["case_00002", "case_00010"]
    assert {(piece.source, piece.windowed) for piece in slices} == {("dataset", False)}
    assert (slices[0].name, slices[4].name) == ("case_00002_z004", "case_00002_z000")
    image, label = slices[0].read()
    assert image.dtype == np.int16
    assert label.dtype == np.uint8
    assert image.shape == label.shape == (20, 28)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("imaging", "case_00001 has no imaging.nii.gz; fetch it with kits23_download_data"),
        ("segmentation", r"imaging\.nii\.gz has no label; .*segmentation\.nii\.gz is missing"),
    ],
)
def test_half_a_case_is_refused(missing: str, message: str, tmp_path: Path) -> None:
    case = write_case(tmp_path, "case_00001", drawn_label())
    (case / f"{missing}.nii.gz").unlink()
    with pytest.raises(VolumeError, match=message):
        read_labelled(tmp_path)


def test_a_label_of_another_case_is_refused(tmp_path: Path) -> None:
    case = write_case(tmp_path, "case_00001", drawn_label())
    other = write_case(tmp_path, "case_00002", drawn_label((5, 20, 24)))
    shutil.copy(other / "segmentation.nii.gz", case / "segmentation.nii.gz")
    words = r"00001/segmentation.* it has .* 24 columns and not .* 28 columns"
    with pytest.raises(VolumeError, match=words):
        read_labelled(tmp_path)


@pytest.mark.parametrize("name", ["case_00000", "case_00005", "case_00102"])
def test_real_shapes_keep_their_place(name: str, data: Path, tmp_path: Path) -> None:
    """Each slice shows the voxels of its number, at the file's spacing, organs at their HU."""
    case = write_case(tmp_path, name, reduced_label(data / "kits23_labels" / f"{name}.nii.gz"))
    stored: Any = nib.load(case / "segmentation.nii.gz")
    assert nib.aff2axcodes(stored.affine) == ("I", "P", "L")
    voxels = np.asarray(stored.dataobj)
    assert {1, 2} <= set(np.unique(voxels).tolist())
    _, row_mm, col_mm = map(float, stored.header.get_zooms())
    slices = read_labelled(tmp_path)
    assert len(slices) == len(voxels)
    for piece in slices:
        image, label = piece.read()
        number = int(piece.name.removeprefix(f"{name}_z"))
        assert np.array_equal(label, voxels[number])
        assert (piece.geometry.row_mm, piece.geometry.col_mm) == pytest.approx((row_mm, col_mm))
        assert np.all(np.abs(image[label == 1] - 180.0) < 60)
        assert np.all(np.abs(image[label == 2] - 90.0) < 60)
