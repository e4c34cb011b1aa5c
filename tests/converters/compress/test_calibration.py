"""Slices to calibrate on are spread over the scan and come as the model reads them."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import VolumeError
from edgeseg_converters.compress.calibration import real_images

PREPROCESSING = Preprocessing((0.0, 255.0), (16, 16))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten slices; the highest grey level of each is twenty times its number, and twenty more."""
    for index in range(10):
        ramp = np.linspace(0, 20 * index + 20, 256).reshape(16, 16)
        Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / f"{index}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("most", "chosen"), [(32, list(range(10))), (4, [0, 3, 6, 9]), (2, [0, 9]), (1, [0])]
)
def test_slices_are_spread_evenly(folder: Path, most: int, chosen: list[int]) -> None:
    images = real_images(folder, PREPROCESSING, most)
    assert all(image.shape == (1, 16, 16, 1) for image in images)
    assert [round(float(image.max() * 255 / 20)) - 1 for image in images] == chosen


def test_missing_scan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError):
        real_images(tmp_path / "nothing", PREPROCESSING)


def test_volume_is_windowed_for_the_model() -> None:
    data = os.environ.get("EDGESEG_DATA")
    if data is None:
        pytest.skip("EDGESEG_DATA is not set: no real CT here")
    scan = Path(data) / "totalsegmentator" / "example_ct.nii.gz"
    images = real_images(scan, Preprocessing((0.0, 255.0), (64, 64)), limit=3)
    assert len(images) == 3
    for image in images:
        assert image.dtype == np.float32
        assert 0 <= image.min() < 0.1 < image.max() <= 1


def grey_folder(folder: Path, levels: tuple[int, int]) -> Path:
    """Three slices of noise between two grey levels, the higher one included."""
    generator = np.random.default_rng(5)
    for index in range(3):
        grey = generator.integers(*levels, (16, 16), np.uint8, endpoint=True)
        Image.fromarray(grey).save(folder / f"{index}.png")
    return folder


@pytest.mark.parametrize(
    ("levels", "flaw"),
    [
        ((0, 0), "are all black"),
        ((255, 255), "are all white"),
        ((90, 90), r"show next to nothing \(grey 90 to 90 of 255\)"),
        ((0, 2), r"show next to nothing \(grey 0 to 2 of 255\)"),
    ],
)
def test_pictures_that_show_nothing_are_refused(
    tmp_path: Path, levels: tuple[int, int], flaw: str
) -> None:
    folder = grey_folder(tmp_path, levels)
    with pytest.raises(VolumeError, match=flaw + "; give CT slices windowed to 8-bit grey"):
        real_images(folder, PREPROCESSING)


def test_masks_are_no_slices(tmp_path: Path) -> None:
    for index in range(3):
        mask = np.where(np.arange(256).reshape(16, 16) % 16 > index + 4, 255, 0)
        Image.fromarray(mask.astype(np.uint8)).save(tmp_path / f"{index}.png")
    with pytest.raises(VolumeError, match="all but black and white"):
        real_images(tmp_path, PREPROCESSING)


def test_empty_slices_among_others_are_fine(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "air.png")
    grey_folder(tmp_path, (0, 40))
    assert len(real_images(tmp_path, PREPROCESSING)) == 4


@pytest.mark.parametrize(
    ("low", "high", "flaw"),
    [
        (0.0, 1.0, "from 0 to 1 where the window is 0 to 255 HU"),  # scaled already
        (-3.0, 3.0, "from -3 to 3 where"),  # standardized
        (-1000.0, -100.0, "are all black; its values run from -1000 to -100"),
        (1100.0, 1200.0, "are all white; .* or another window"),  # stored without its intercept
    ],
)
def test_volumes_out_of_range_are_refused(
    tmp_path: Path, low: float, high: float, flaw: str
) -> None:
    voxels = np.linspace(low, high, 16 * 16 * 4, dtype=np.float32).reshape(16, 16, 4)
    path = tmp_path / "ct.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    with pytest.raises(VolumeError, match=flaw) as caught:
        real_images(path, PREPROCESSING)
    assert "\n" not in str(caught.value)
