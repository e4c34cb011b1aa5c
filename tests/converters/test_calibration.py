"""Slices to calibrate on are spread over the scan and come as the model reads them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeseg.errors import VolumeError
from edgeseg.manifest import Preprocessing
from edgeseg_converters.calibration import real_images

PREPROCESSING = Preprocessing((0.0, 255.0), (16, 16))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten flat slices; the grey level of each is twenty times its number."""
    for index in range(10):
        Image.fromarray(np.full((16, 16), 20 * index, np.uint8)).save(tmp_path / f"{index}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("most", "chosen"), [(32, list(range(10))), (4, [0, 3, 6, 9]), (2, [0, 9]), (1, [0])]
)
def test_slices_are_spread_evenly(folder: Path, most: int, chosen: list[int]) -> None:
    images = real_images(folder, PREPROCESSING, most)
    assert all(image.shape == (1, 16, 16, 1) for image in images)
    assert [round(float(image.max() * 255 / 20)) for image in images] == chosen


def test_missing_scan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError):
        real_images(tmp_path / "nothing", PREPROCESSING)


def test_volume_is_windowed_for_the_model() -> None:
    data = os.environ.get("EDGESEG_DATA")
    if data is None:
        pytest.skip("EDGESEG_DATA is not set: no real CT here")
    scan = Path(data) / "totalsegmentator" / "example_ct.nii.gz"
    images = real_images(scan, Preprocessing((0.0, 255.0), (64, 64)), most=3)
    assert len(images) == 3
    for image in images:
        assert image.dtype == np.float32
        assert 0 <= image.min() < 0.1 < image.max() <= 1
