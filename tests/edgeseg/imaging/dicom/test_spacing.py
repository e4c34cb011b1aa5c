"""Positions that scanners rounded are even; slices that are thicker are not called missing."""

from pathlib import Path

import numpy as np
import pytest
from drawn_dicom import draw_series, drawn_slice
from numpy.typing import NDArray

from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.files import DicomFile
from edgeseg.imaging.dicom.header import CT, DicomImage
from edgeseg.imaging.dicom.plane import Plane, planes_of
from edgeseg.imaging.dicom.stack import by_height, stack
from edgeseg.imaging.formats import read_scan


def _planes(positions: NDArray[np.float64], **odd: object) -> list[Plane]:
    """Return slices at positions (n, 3) without any file."""
    planes: list[Plane] = []
    for index, position in enumerate(positions.tolist()):
        header = drawn_slice(index, ImagePositionPatient=position, **odd)
        entry = DicomFile(f"IM{index}", lambda: pytest.fail("no file is opened"), whole=True)
        planes.extend(planes_of(DicomImage(entry, header, CT)))
    return [group[0] for group in by_height(planes)]


@pytest.mark.parametrize("spacing", [0.3, 0.4, 0.5, 0.6, 0.625, 0.7, 0.75, 0.8, 1, 1.25, 2.5, 5])
@pytest.mark.parametrize("digits", [1, 2, 3])
def test_every_series_of_rounded_positions_is_even(spacing: float, digits: int) -> None:
    """Wherever the first slice lies; the affine has the mean distance."""
    starts = np.random.default_rng(7).uniform(-900, 900, 12)
    for start in (*starts, 300.0, -12.35, 0.05):
        heights = np.round(start + spacing * np.arange(25), digits)
        positions = np.stack([np.full(25, -90.0), np.full(25, -80.0), heights], axis=1)
        made = stack(_planes(positions))
        assert len(made.planes) == 25
        assert made.affine[2, 2] == pytest.approx(spacing, abs=0.1 / 24 + 1e-9)


@pytest.mark.parametrize("degrees", [7, 18, 30])
@pytest.mark.parametrize("spacing", [0.625, 1.25, 3])
def test_rounded_positions_of_a_tilted_gantry_are_even(degrees: float, spacing: float) -> None:
    """Rounding works along both axes that a slice leans between."""
    lean = np.deg2rad(degrees)
    rows = [0.0, float(np.cos(lean)), float(np.sin(lean))]
    for start in np.random.default_rng(3).uniform(-900, 900, 20):
        steps = start + spacing * np.arange(20)
        positions = np.stack([0 * steps - 90, 0.31 * steps, steps], axis=1).round(1)
        made = stack(_planes(positions, ImageOrientationPatient=[1, 0, 0, *rows]))
        assert len(made.planes) == 20


@pytest.mark.parametrize("spacing", [0.5, 0.625, 1.25, 3])
@pytest.mark.parametrize("lost", [[6], [6, 7], [4, 11]])
def test_lost_slices_are_still_found(spacing: float, lost: list[int]) -> None:
    heights = np.delete(np.round(100.05 + spacing * np.arange(20), 1), lost)
    positions = np.stack([np.full_like(heights, -90), np.full_like(heights, -80), heights], axis=1)
    said = "a slice is missing" if len(lost) == 1 else "2 slices are missing"
    with pytest.raises(VolumeError, match=f"{said} between images"):
        stack(_planes(positions))


def _thicker(index: int) -> dict[str, object]:
    """Give the last four of ten slices twice the thickness."""
    late = max(0, index - 5)
    return {
        "ImagePositionPatient": [-90.0, -80.0, 300 + 3.0 * (index + late)],
        "SliceThickness": 6 if late else 3,
    }


def test_thicker_slices_are_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(VolumeError) as caught:
        read_scan(draw_series(tmp_path / "ct", _thicker))
    assert "slices are 3 mm thick, but 6 mm between images 6 and 7 (315 and 321 mm)" in str(
        caught.value
    )
    assert "missing" not in str(caught.value)


def test_a_stretch_of_wider_gaps_is_no_loss_of_slices(tmp_path: Path) -> None:
    """Where the thickness tells nothing."""

    def wider(index: int) -> dict[str, object]:
        return {**_thicker(index), "SliceThickness": None}

    with pytest.raises(VolumeError, match="slices lie 3 mm apart, but 6 mm between images 6 and 7"):
        read_scan(draw_series(tmp_path / "ct", wider))
