"""What a DICOM file states of itself, or inflates to, never takes more memory than a slice may."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from drawn_dicom import COUNT, draw_series, drawn_hu, drawn_slice
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from scan_processes import read_in_a_process

from edgeseg.errors import VolumeError
from edgeseg.imaging.formats import read_scan


def _deflate(path: Path, behind: int = 0) -> None:
    """Write a slice anew in deflated syntax, with so many zeros behind its pixels."""
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    whole = path.read_bytes()
    buffer = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(buffer, dataset.file_meta)
    start = 132 + len(buffer.getvalue())
    content = zlib.decompress(whole[start:], -15)
    packer, chunk = zlib.compressobj(9, wbits=-15), bytes(2**22)
    with path.open("wb") as file:
        file.write(whole[:start])
        file.write(packer.compress(content))
        for _ in range(behind // len(chunk)):
            file.write(packer.compress(chunk))
        file.write(packer.flush())


def test_a_deflated_series_is_read(tmp_path: Path) -> None:
    series = draw_series(tmp_path / "ct")
    for file in series.iterdir():
        _deflate(file)
    scan = read_scan(series)
    assert all(np.array_equal(scan.slice(k), drawn_hu(k)) for k in range(COUNT))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_deflated_slice_is_inflated_no_further_than_its_header_says(
    zipped: bool, tmp_path: Path
) -> None:
    path = draw_series(tmp_path / "ct")
    _deflate(path / "IM003", behind=3 * 2**30)
    assert (path / "IM003").stat().st_size < 2**23
    if zipped:
        with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
            for file in path.iterdir():
                archive.write(file, file.name)
        path = tmp_path / "study.zip"
    said, grown = read_in_a_process(path)
    assert "IM003 holds more than 32.0 MiB, and its header accounts for less" in said
    assert grown < 400


def test_a_deflated_header_is_bounded_too(tmp_path: Path) -> None:
    """Zeros before the pixels, in an element that nobody needs."""
    dataset = drawn_slice(0)
    dataset.add_new(0x00091001, "OB", bytes(2**28))
    dataset.add_new(0x00090010, "LO", "private")
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "IM1", enforce_file_format=True)
    said, grown = read_in_a_process(tmp_path / "IM1")
    assert "IM1 is" in said
    assert grown < 300


@pytest.mark.parametrize(("rows", "cols"), [(65535, 65535), (8192, 4096)])
def test_more_pixels_than_any_slice_has_are_refused(rows: int, cols: int, tmp_path: Path) -> None:
    odd = {"Rows": rows, "Columns": cols}
    with pytest.raises(VolumeError, match=f"states {rows} x {cols} pixels, more than any CT"):
        read_scan(draw_series(tmp_path / "ct", lambda _: odd))


def test_a_length_that_no_file_has_is_refused(tmp_path: Path) -> None:
    """A name of 3 GiB in a file with a hole of that size."""
    path = tmp_path / "IM1"
    drawn_slice(0).save_as(path, enforce_file_format=True)
    whole = path.read_bytes()
    start = whole.index(b"\x08\x00\x60\x00CS")
    head = b"\x08\x00\x30\x10UT\0\0" + (3 * 2**30).to_bytes(4, "little")
    path.write_bytes(whole[:start] + head)
    with path.open("r+b") as file:
        file.truncate(start + len(head) + 3 * 2**30)
    said, grown = read_in_a_process(path)
    assert "IM1 holds more than 32.0 MiB" in said
    assert grown < 100


def test_run_lengths_are_bounded_by_the_slice(tmp_path: Path) -> None:
    """A compressed frame far longer than the slice is not decoded."""
    dataset = drawn_slice(0)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    frame = (2).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + b"\x81\0" * 2**26
    dataset.PixelData = pydicom.encaps.encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "IM1", enforce_file_format=True)
    said, grown = read_in_a_process(tmp_path / "IM1")
    assert "IM1" in said
    assert grown < 300
