"""The viewer shows the patient's right on the left, and the mask where it is on the scan."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray
from pages import Opened, opened

from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.scan import Scan
from edgeseg_runtime.page.segmented import write_segmented
from edgeseg_runtime.results.statistics import measure
from edgeseg_runtime.segmentation.segmenter import Segmentation, Segmenter

_SHAPE = np.array([40, 48, 32])
_SPOT = np.array([31, 38, 25])
"""Towards the patient's right, anterior, superior, in voxels of RAS+; three voxels wide."""

_LABEL = np.array([10, 12, 8])
"""Towards the left, posterior, inferior."""


class Place(NamedTuple):
    """The middle of something on screen, as a share of the body's extent from its top left."""

    down: float
    right: float


class Run(NamedTuple):
    """A run whose masks are replaced: what a page tells of boards and pieces."""

    segmentation: Segmentation
    segmenter: Segmenter


@pytest.fixture(scope="module")
def run(tiny_bundle: Path) -> Run:
    """One slice of water, segmented."""
    with Segmenter(tiny_bundle, local=1) as segmenter:
        return Run(segmenter.segment(np.zeros((64, 64), np.int16)), segmenter)


@pytest.fixture(scope="module", params=["RAS", "LPS", "PIR"])
def phantom(
    request: Any, browser: Any, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    """A body of water with a spot of bone and a labelled one, as files of several orders."""
    folder = tmp_path_factory.mktemp("phantom")
    ras = np.full(_SHAPE, 40, np.int16)
    ras[_cube(_SPOT)] = 2000
    label = np.zeros(_SHAPE, np.uint8)
    label[_cube(_LABEL)] = 1
    scan = _stored(folder / "ct.nii", ras, request.param)
    mask = _stored(folder / "mask.nii", label, request.param)
    masks = tuple(mask.slice(index).astype(np.uint8) for index in range(len(mask)))
    made = replace(run.segmentation, masks=masks)
    found = measure(scan, masks, run.segmenter.manifest.labels)
    write_segmented(folder / "page.html", scan, made, found, run.segmenter)
    with opened(browser, folder / "page.html") as shown:
        shown.ready()
        shown.page.fill('#labels input[type="color"][data-label="1"]', "#ff0000")
        shown.page.fill("#opacity", "100")
        shown.page.uncheck("#crosshair")
        yield shown


def _stored(path: Path, ras: NDArray[Any], codes: str) -> Scan:
    """Write voxels in RAS+ as a file of another order, and read it."""
    image: Any = nib.Nifti1Image(ras, np.diag([2, 2, 3, 1]))
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(codes)))
    nib.save(image.as_reoriented(turn), path)
    return read_scan(path)


def _cube(middle: NDArray[np.int64]) -> tuple[slice, ...]:
    return tuple(slice(int(at) - 2, int(at) + 3) for at in middle)


def _seen(shown: Opened, kind: int, axis: int) -> tuple[Place, Place]:
    """Return where spot and label are once a plane goes through the spot, then the label."""
    shown.page.click(f'#planes [data-kind="{kind}"]')
    places = []
    for middle, of in ((_SPOT, _white), (_LABEL, _red)):
        shown.slide(axis, int(middle[axis]))
        places.append(_place(shown.picture(), of))
    return places[0], places[1]


def _white(picture: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(picture.min(axis=2) > 245)


def _red(picture: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((picture[..., 0] > 200) & (picture[..., 1] < 60))


def _place(picture: NDArray[np.int64], of: Any) -> Place:
    body = np.argwhere(np.abs(picture - 128).max(axis=2) < 6)
    first, last = body.min(axis=0), body.max(axis=0)
    seen = np.argwhere(of(picture))
    assert len(seen) > 100
    down, right = ((seen.mean(axis=0) - first) / (last - first)).tolist()
    return Place(down, right)


@pytest.mark.parametrize(
    ("kind", "axis", "across", "up"),
    [(0, 2, 0, 1), (1, 1, 0, 2), (2, 0, 1, 2)],
    ids=["axial", "coronal", "sagittal"],
)
def test_places_are_those_of_a_radiological_display(
    phantom: Opened, kind: int, axis: int, across: int, up: int
) -> None:
    """Right and anterior are on the left of the screen, anterior and superior at its top."""
    for place, middle in zip(_seen(phantom, kind, axis), (_SPOT, _LABEL), strict=True):
        share = (middle + 0.5) / _SHAPE
        assert place.right == pytest.approx(1 - share[across], abs=0.03)
        assert place.down == pytest.approx(1 - share[up], abs=0.03)


def test_the_figures_in_display_agree(phantom: Opened) -> None:
    assert "125" in phantom.text("#labels tbody tr:first-child")
