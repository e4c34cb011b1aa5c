"""The preview shows the slices that tell most, true to scale, in the labels' colours."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageColor

from edgeseg.bundle.manifest import Decoding, Label, Manifest, Preprocessing
from edgeseg.errors import OutputError
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.png import read_pictures
from edgeseg.imaging.scan import Scan
from edgeseg_runtime.results.preview import MAX_CELL, WIDTH, telling_slices, write_preview

_DATA = os.environ.get("EDGESEG_DATA", "")
_KIDNEY, _TUMOUR = Label(1, "kidney", "#2ecc71"), Label(2, "tumour", "#ff5a4f")
_MANIFEST = Manifest(
    format=1,
    model_name="test",
    model_sha256="0" * 64,
    preprocessing=Preprocessing((0.0, 255.0), (64, 64)),
    labels=(_KIDNEY, _TUMOUR),
    decoding=Decoding("sigmoid", (1, 2)),
    pieces=(),
    settings={},
    versions={},
)


def _scan(tmp_path: Path, shape: tuple[int, ...], zooms: tuple[float, ...]) -> Scan:
    affine = np.diag([-zooms[0], -zooms[1], zooms[2], 1.0])
    nib.save(nib.Nifti1Image(np.full(shape, 100, np.int16), affine), tmp_path / "ct.nii")
    return read_scan(tmp_path / "ct.nii")


def _width(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.width


def _drawn(path: Path, label: Label) -> NDArray[np.bool_]:
    """Return where the label's full colour stands in the picture."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture).astype(int)
    near: NDArray[np.bool_] = np.abs(pixels - ImageColor.getrgb(label.color)).max(axis=2) < 12
    return near


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=60))
def test_the_choice_shows_every_label_at_its_largest(areas: list[tuple[int, int]]) -> None:
    table = np.array(areas)
    indices = telling_slices(table, 12)
    labelled = set(np.flatnonzero(table.sum(axis=1)).tolist())
    assert indices == sorted(set(indices))
    assert len(indices) == min(12, len(labelled) or len(areas))
    assert not labelled or labelled.issuperset(indices)
    for label in np.flatnonzero(table.sum(axis=0)):
        assert table[:, label].max() == table[indices, label].max()


def test_without_labels_the_whole_scan_is_shown() -> None:
    assert telling_slices(np.zeros((100, 2), int), 4) == [12, 37, 62, 87]


def test_contours_have_the_labels_colours(tmp_path: Path) -> None:
    scan = _scan(tmp_path, (40, 40, 3), (1, 1, 1))
    masks = [np.zeros((40, 40), np.uint8) for _ in range(3)]
    masks[1][5:25, 5:35] = 1
    write_preview(tmp_path / "preview.png", scan, masks, _MANIFEST)
    assert _width(tmp_path / "preview.png") == MAX_CELL + 16
    rows, cols = np.nonzero(_drawn(tmp_path / "preview.png", _KIDNEY)[56:, :])
    assert np.ptp(rows) == pytest.approx(20 / 40 * MAX_CELL, abs=4)
    assert np.ptp(cols) == pytest.approx(30 / 40 * MAX_CELL, abs=4)
    assert not _drawn(tmp_path / "preview.png", _TUMOUR).any()


def test_pixels_of_unlike_sides_are_shown_true_to_scale(tmp_path: Path) -> None:
    scan = _scan(tmp_path, (40, 20, 1), (1.0, 2.0, 1.0))
    mask = np.zeros((20, 40), np.uint8)
    mask[5:15, 10:30] = 1
    write_preview(tmp_path / "preview.png", scan, [mask], _MANIFEST)
    rows, cols = np.nonzero(_drawn(tmp_path / "preview.png", _KIDNEY)[56:, :])
    assert np.ptp(rows) == pytest.approx(np.ptp(cols), abs=4)


def test_many_slices_fill_the_sheet(tmp_path: Path) -> None:
    scan = _scan(tmp_path, (30, 30, 40), (1, 1, 1))
    masks = [np.full((30, 30), 2, np.uint8)] * 40
    write_preview(tmp_path / "preview.png", scan, masks, _MANIFEST)
    assert _width(tmp_path / "preview.png") == WIDTH


def test_pictures_of_unlike_sizes_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    for number, size in enumerate([(64, 32), (20, 50), (7, 7), (1, 90), (30, 30)]):
        Image.new("L", size, 120).save(folder / f"{number}.png")
    scan = read_pictures(folder)
    masks = [np.zeros(scan.sizes[k], np.uint8) for k in range(5)]
    write_preview(tmp_path / "preview.png", scan, masks, _MANIFEST)
    assert _width(tmp_path / "preview.png") == pytest.approx(WIDTH, abs=4)


def test_a_picture_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    scan = _scan(tmp_path, (8, 8, 1), (1, 1, 1))
    with pytest.raises(OutputError, match="create its folder first"):
        write_preview(tmp_path / "no" / "p.png", scan, [np.zeros((8, 8), np.uint8)], _MANIFEST)


@pytest.mark.skipif(not _DATA, reason="EDGESEG_DATA is not set")
def test_the_sample_kidneys_are_outlined_on_both_sides(tmp_path: Path) -> None:
    folder = Path(_DATA, "totalsegmentator")
    scan = read_scan(folder / "example_ct.nii.gz")
    labels = read_scan(folder / "example_seg_fast_force_split.nii.gz")
    masks = [np.isin(labels.slice(k), (2, 3)).astype(np.uint8) for k in range(len(labels))]
    write_preview(tmp_path / "preview.png", scan, masks, _MANIFEST)
    drawn = _drawn(tmp_path / "preview.png", _KIDNEY)[56:, :]
    tile = drawn[328 + 8 : 648, 8:328]  # the fifth of twelve
    assert tile[:, :160].sum() > 100
    assert tile[:, 160:].sum() > 100
