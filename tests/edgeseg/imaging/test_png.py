"""PNG slices: natural order, sizes of their own, and masks under the same names."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeseg.errors import OutputError, UsageError, VolumeError
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.png import read_pictures
from edgeseg.imaging.slices import SliceGeometry


def _picture(path: Path, rows: int = 6, cols: int = 8, value: int = 0) -> Path:
    grey = np.arange(rows * cols, dtype=np.uint8).reshape(rows, cols) + np.uint8(value)
    Image.fromarray(grey).save(path)
    return path


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        _picture(tmp_path / f"slice_{number}.png", value=number)
    (tmp_path / "notes.txt").write_text("no picture")
    pictures = read_pictures(tmp_path)
    assert [pictures.name(k) for k in range(4)] == ["slice_1", "slice_9", "slice_10", "slice_100"]
    assert [int(pictures.slice(k)[0, 0]) for k in range(4)] == [1, 9, 10, 100]
    assert pictures.windowed


def test_sizes_may_differ_and_masks_keep_them(tmp_path: Path) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    _picture(folder / "a.png", 6, 8)
    _picture(folder / "b.png", 5, 4)
    pictures = read_pictures(folder)
    assert pictures.geometry(0) == SliceGeometry(6, 8)
    assert pictures.geometry(1) == SliceGeometry(5, 4)
    masks = [np.full((6, 8), 1, np.uint8), np.full((5, 4), 2, np.uint8)]
    pictures.check_output(tmp_path / "masks")
    pictures.write(tmp_path / "masks", masks)
    written = read_pictures(tmp_path / "masks")
    assert [file.name for file in written.files] == ["a.png", "b.png"]
    assert all(np.array_equal(written.slice(k), masks[k]) for k in range(2))


def test_one_picture_gives_one_picture(tmp_path: Path) -> None:
    pictures = read_pictures(_picture(tmp_path / "slice.PNG"))
    assert len(pictures) == 1
    pictures.check_output(tmp_path / "mask.png")
    pictures.write(tmp_path / "mask.png", [np.eye(6, 8, dtype=np.uint8)])
    assert np.array_equal(read_pictures(tmp_path / "mask.png").slice(0), np.eye(6, 8))


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (Image.new("RGB", (4, 4)), "RGB"),
        (Image.new("LA", (4, 4)), "LA"),
        (Image.new("P", (4, 4)), "P"),
        (Image.new("1", (4, 4)), "1"),
        (Image.fromarray(np.zeros((4, 4), np.uint16)), "I"),
    ],
)
def test_only_8_bit_grey_is_taken(picture: Image.Image, kind: str, tmp_path: Path) -> None:
    picture.save(tmp_path / "slice.png")
    with pytest.raises(VolumeError, match=f"of kind {kind}.*; give 8-bit grey PNGs"):
        read_pictures(tmp_path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"has no \.png file; .*DICOM"):
        read_pictures(tmp_path)
    with pytest.raises(VolumeError, match="does not exist"):
        read_pictures(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(VolumeError, match="is no PNG or is damaged"):
        read_pictures(tmp_path / "text.png")
    Image.new("L", (4, 4)).save(tmp_path / "jpeg.png", format="JPEG")
    with pytest.raises(VolumeError, match="is no PNG"):
        read_pictures(tmp_path / "jpeg.png")


@pytest.mark.parametrize("size", [20, 60, 500])
def test_a_cut_picture_is_refused(size: int, tmp_path: Path) -> None:
    path = tmp_path / "slice.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(VolumeError, match=r"damaged|can't be read") as caught:
        read_pictures(path).slice(0)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_outputs_are_checked_early(tmp_path: Path) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    file = _picture(folder / "a.png")
    with pytest.raises(UsageError, match="is the input"):
        read_pictures(folder).check_output(folder)
    with pytest.raises(UsageError, match="is the input"):
        read_pictures(file).check_output(file)
    with pytest.raises(UsageError, match="is a file; for a folder of PNGs give a folder"):
        read_pictures(folder).check_output(file)
    with pytest.raises(UsageError, match=r"is no \.png"):
        read_pictures(file).check_output(tmp_path / "mask.nii.gz")
    with pytest.raises(OutputError, match="create its folder first"):
        read_pictures(folder).check_output(tmp_path / "no" / "masks")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_scan_is_what_its_path_is(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    assert len(read_scan(tmp_path)) == len(read_scan(tmp_path / "a.png")) == 1
    with pytest.raises(
        VolumeError, match="does not exist; give a NIfTI, 8-bit PNG slices, or DICOM"
    ):
        read_scan(tmp_path / "none.nii")
    (tmp_path / "ct.nii").write_text("no scan")
    with pytest.raises(VolumeError, match="is no NIfTI"):
        read_scan(tmp_path / "ct.nii")


@pytest.mark.parametrize("size", [10_000, 40_000])
def test_a_picture_of_far_too_many_pixels_is_refused_in_a_line(size: int, tmp_path: Path) -> None:
    """By its head: nothing is decompressed."""
    Image.new("L", (8, 8)).save(tmp_path / "slice.png")
    content = bytearray((tmp_path / "slice.png").read_bytes())
    content[16:24] = 2 * size.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "slice.png").write_bytes(content)
    with pytest.raises(VolumeError, match="can't be read") as caught:
        read_pictures(tmp_path / "slice.png")
    assert "\n" not in str(caught.value)
