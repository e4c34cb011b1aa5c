"""Bodies as a reader lists them: volume, axial diameter, side, slices."""

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from edgeseg.bundle.manifest import Label
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.scan import Scan
from edgeseg_runtime.results.lesions import MOST_BODIES, list_bodies
from edgeseg_runtime.results.statistics import measure

LABELS = (Label(1, "kidney", "#ff0000"), Label(2, "tumor", "#00ff00"))
SPACING = (0.8, 1.5, 5.0)
"""Of x, y, z in mm."""


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """A patient between columns 10 and 50 of 80, in LPS: x runs to the left, y to the back."""
    hu = np.full((80, 60, 9), -1000, np.int16)
    hu[10:50, 5:55] = 40
    path = tmp_path / "ct.nii.gz"
    nib.save(nib.Nifti1Image(hu, np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1])), path)
    return read_scan(path)


def test_a_disc_has_its_volume_diameter_side_and_slices(scan: Scan) -> None:
    masks = [np.zeros((60, 80), np.uint8) for _ in range(9)]
    for index in (3, 4):
        masks[index][20:24, 12:20] = 1  # the patient's right: columns run from right to left
        masks[index][40, 40:43] = 2
    masks[8][10, 45] = 2
    kidney, tumor, speck = list_bodies(scan, masks, LABELS).bodies
    assert (kidney.label, kidney.side, kidney.touches_border) == ("kidney", "right", False)
    assert kidney.volume_ml == pytest.approx(2 * 4 * 8 * math.prod(SPACING) / 1000)
    assert kidney.axial_diameter_mm == pytest.approx(math.hypot(4 * 1.5, 8 * 0.8))
    assert (kidney.first_slice, kidney.last_slice) == (scan.name(3), scan.name(4))
    assert (tumor.side, tumor.axial_diameter_mm) == ("left", pytest.approx(math.hypot(1.5, 2.4)))
    assert speck.touches_border


def test_sides_are_the_patients_however_far_from_the_middle_it_lies(scan: Scan) -> None:
    masks = [np.zeros((60, 80), np.uint8) for _ in range(9)]
    masks[2][30, 33:35] = 1  # left of the patient's middle (30), right of the picture's (40)
    (body,) = list_bodies(scan, masks, LABELS).bodies
    assert body.side == "left"


def test_nothing_found_is_no_body(scan: Scan) -> None:
    listed = list_bodies(scan, [np.zeros((60, 80), np.uint8)] * 9, LABELS)
    assert listed.bodies == ()
    assert [(side.left_ml, side.right_ml) for side in listed.sides] == [(0, 0)] * 2


def test_the_volumes_of_each_side_count_every_body(scan: Scan) -> None:
    """More bodies than are listed one by one; a body counts whole on the side of its middle."""
    masks = [np.zeros((60, 80), np.uint8) for _ in range(9)]
    masks[1][5:55:2, 11:29:2] = 1  # 25 x 9 specks on the right
    masks[4][20:24, 28:44] = 1
    listed = list_bodies(scan, masks, LABELS)
    kidney, tumor = listed.sides
    voxel_ml = math.prod(SPACING) / 1000
    assert (kidney.label, tumor.label) == ("kidney", "tumor")
    assert kidney.right_ml == pytest.approx(225 * voxel_ml)
    assert kidney.left_ml == pytest.approx(64 * voxel_ml)
    assert (tumor.left_ml, tumor.right_ml) == (0, 0)
    assert len(listed.bodies) == MOST_BODIES


def test_bodies_of_a_tilted_scan_have_the_volume_of_their_label(tmp_path: Path) -> None:
    """Slices of a tilted gantry lie nearer to each other than their step is long."""
    affine = np.array([[-1.0, 0, 0, 0], [0, -1.0, 0.6, 0], [0, 0, 2.0, 0], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(np.zeros((20, 20, 6), np.int16), affine), tmp_path / "tilted.nii")
    masks = [np.zeros((20, 20), np.uint8) for _ in range(6)]
    masks[2][3:6, 3:6] = 1
    statistics = measure(read_scan(tmp_path / "tilted.nii"), masks, LABELS)
    (body,) = statistics.bodies
    assert body.volume_ml == pytest.approx(9 * 2.0 / 1000)
    assert body.volume_ml == pytest.approx(statistics.labels[0].volume_ml)
