"""Volumes, places and densities of labels come out as they were put in."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from edgeseg.bundle.manifest import Label
from edgeseg.errors import OutputError
from edgeseg.imaging.nifti import NiftiScan, read_volume
from edgeseg.imaging.png import read_pictures
from edgeseg_runtime.results.statistics import BoundingBox, measure

_LABELS = (Label(1, "kidney", "#2ecc71"), Label(2, "tumour", "#ff5a4f"))
_DATA = os.environ.get("EDGESEG_DATA", "")


def _volume(tmp_path: Path) -> NiftiScan:
    """Return a scan stored head first (axes I, P, L) with a block of 40 HU in it."""
    affine = np.array([[0, 0, -0.5, 30.0], [0, -2.0, 0, 40], [-3.0, 0, 0, 500], [0, 0, 0, 1]])
    stored = np.full((8, 9, 10), -100, np.int16)
    stored[1:3, 2:6, 3:8] = 40
    nib.save(nib.Nifti1Image(stored, affine), tmp_path / "ct.nii")
    return read_volume(tmp_path / "ct.nii")


def test_a_block_is_measured_in_the_files_own_terms(tmp_path: Path) -> None:
    volume = _volume(tmp_path)
    masks = [(volume.slice(k) == 40).astype(np.uint8) for k in range(len(volume))]
    kidney, tumour = measure(volume, masks, _LABELS).labels
    assert kidney.voxels == 2 * 4 * 5
    assert kidney.volume_mm3 == pytest.approx(40 * 3 * 2 * 0.5)
    assert kidney.volume_ml == pytest.approx(0.12)
    assert kidney.centroid_voxel == pytest.approx((1.5, 3.5, 5.0))
    assert kidney.centroid_mm == pytest.approx((30 - 2.5, 40 - 7.0, 500 - 4.5))
    assert kidney.bounding_box == BoundingBox((1, 2, 3), (2, 5, 7))
    assert kidney.mean_hu == pytest.approx(40)
    assert not kidney.touches_first_or_last_slice
    assert (tumour.voxels, tumour.volume_ml) == (0, 0)
    assert tumour.centroid_voxel is tumour.bounding_box is tumour.mean_hu is None
    assert not tumour.touches_first_or_last_slice


@pytest.mark.parametrize("index", [0, 7])
def test_a_label_at_the_end_of_the_scan_is_flagged(index: int, tmp_path: Path) -> None:
    volume = _volume(tmp_path)
    masks = [np.zeros((9, 10), np.uint8) for _ in range(8)]
    masks[index][4, 4] = 2
    masks[3][4, 4] = 1
    kidney, tumour = measure(volume, masks, _LABELS).labels
    assert tumour.touches_first_or_last_slice
    assert not kidney.touches_first_or_last_slice


def test_pictures_have_places_but_no_volumes(tmp_path: Path) -> None:
    Image.new("L", (6, 5), 90).save(tmp_path / "a.png")
    mask = np.zeros((5, 6), np.uint8)
    mask[1:3, 2:6] = 1
    kidney = measure(read_pictures(tmp_path), [mask], _LABELS).labels[0]
    assert kidney.voxels == 8
    assert kidney.volume_mm3 is kidney.volume_ml is kidney.centroid_mm is kidney.mean_hu is None
    assert kidney.centroid_voxel == (0, 1.5, 3.5)
    assert kidney.bounding_box == BoundingBox((0, 1, 2), (0, 2, 5))


def test_the_file_is_json_with_the_research_note(tmp_path: Path) -> None:
    volume = _volume(tmp_path)
    masks = [np.ones((9, 10), np.uint8)] * 8
    statistics = measure(volume, masks, _LABELS)
    statistics.write(tmp_path / "statistics.json")
    content = json.loads((tmp_path / "statistics.json").read_text())
    assert "not a medical device" in content["note"]
    assert content["slices"] == 8
    assert content["labels"][0]["bounding_box"] == {"first": [0, 0, 0], "last": [7, 8, 9]}
    assert content["labels"][0]["touches_first_or_last_slice"] is True
    assert content["labels"][1]["mean_hu"] is None
    with pytest.raises(OutputError, match="create its folder first"):
        statistics.write(tmp_path / "no" / "statistics.json")


@pytest.mark.skipif(not _DATA, reason="EDGESEG_DATA is not set")
def test_the_sample_kidneys_are_of_human_size() -> None:
    folder = Path(_DATA, "totalsegmentator")
    volume = read_volume(folder / "example_ct.nii.gz")
    labels = read_volume(folder / "example_seg_fast_force_split.nii.gz")
    masks = [np.isin(labels.slice(k), (2, 3)).astype(np.uint8) for k in range(len(labels))]
    kidney = measure(volume, masks, _LABELS).labels[0]
    assert kidney.volume_ml == pytest.approx(330.048)
    assert kidney.bounding_box is not None
    assert (kidney.bounding_box.first[2], kidney.bounding_box.last[2]) == (66, 104)
