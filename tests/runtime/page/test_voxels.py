"""What a browser gets is the scan in RAS+, small enough, with the mask where it belongs."""

import base64
import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.scan import Scan
from edgeseg_runtime.page import voxels as module
from edgeseg_runtime.page.voxels import MAX_IN_PLANE, MAX_SLICES, browser_voxels


def _scan(path: Path, voxels: Any, spacing: tuple[float, ...] = (1.0, 2.0, 3.0)) -> Scan:
    nib.save(nib.Nifti1Image(voxels, np.diag((*spacing, 1.0))), path)
    return read_scan(path)


def _masks(scan: Scan, value: int = 0) -> list[Any]:
    geometry = [scan.geometry(index) for index in range(len(scan))]
    return [np.full((g.rows, g.cols), value, np.uint8) for g in geometry]


def _unpacked(text: str) -> Any:
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


def test_a_small_scan_goes_as_it_is(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-1000, 1000, (9, 8, 7)).astype(np.int16)
    scan = _scan(tmp_path / "ct.nii", noise)
    masks = [np.asarray(scan.slice(index) > 500, np.uint8) for index in range(len(scan))]
    reduced = browser_voxels(scan, masks)
    image, mask = _unpacked(reduced.image_base64), _unpacked(reduced.mask_base64)
    np.testing.assert_array_equal(np.asarray(image.dataobj), noise)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), noise > 500)
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    np.testing.assert_allclose(image.header.get_zooms(), (1, 2, 3))
    assert (reduced.step, reduced.factor, reduced.numbers) == (1, 1.0, (1, 2, 3, 4, 5, 6, 7))


def test_a_large_scan_is_averaged_and_its_masks_are_not(tmp_path: Path) -> None:
    wide = np.zeros((2 * MAX_IN_PLANE, 300, 3), np.int16)
    wide[::2] = 100
    scan = _scan(tmp_path / "ct.nii", wide)
    reduced = browser_voxels(scan, _masks(scan, 3))
    assert reduced.image.shape == (MAX_IN_PLANE, 150, 3)
    assert set(np.unique(reduced.image)) == {50}
    assert set(np.unique(reduced.mask)) == {3}
    np.testing.assert_allclose(reduced.spacing, (2, 4, 3))
    assert reduced.factor == 2


def test_many_slices_are_thinned_and_keep_their_numbers(tmp_path: Path) -> None:
    rising = np.broadcast_to(np.arange(1000, dtype=np.int16), (4, 4, 1000))
    scan = _scan(tmp_path / "ct.nii", rising.copy())
    reduced = browser_voxels(scan, _masks(scan))
    assert reduced.image.shape[2] == len(reduced.numbers) == MAX_SLICES
    np.testing.assert_array_equal(reduced.image[0, 0] + 1, reduced.numbers)
    assert reduced.spacing[2] == pytest.approx(7.5)


def test_hu_of_a_large_scan_go_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EXACT_VOXELS", 10)
    noise = np.random.default_rng(1).integers(-1500, 5000, (9, 8, 7)).astype(np.int16)
    scan = _scan(tmp_path / "ct.nii", noise)
    reduced = browser_voxels(scan, _masks(scan))
    shown = np.asarray(_unpacked(reduced.image_base64).dataobj)
    assert np.abs(shown - np.clip(noise, -1024, 3071)).max() <= reduced.step / 2 == 2


def test_pictures_of_several_sizes_share_a_canvas(tmp_path: Path) -> None:
    for name, size in (("a", (6, 10)), ("b", (10, 4))):
        Image.fromarray(np.full(size, 200, np.uint8)).save(tmp_path / f"{name}.png")
    scan = read_scan(tmp_path)
    reduced = browser_voxels(scan, _masks(scan, 1))
    assert reduced.image.shape == (10, 10, 2)
    assert reduced.spacing == (1, 1, 1)
    np.testing.assert_array_equal(reduced.image > 0, reduced.mask > 0)
    assert [(reduced.mask[..., index] > 0).sum() for index in range(2)] == [60, 40]
