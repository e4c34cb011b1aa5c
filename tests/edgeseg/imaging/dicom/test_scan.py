"""HU and places of a DICOM series are what other readers say, however it is stored."""

import contextlib
import subprocess
import sys
from pathlib import Path

import gdcm
import highdicom
import numpy as np
import pydicom
import pytest
from dicom_copies import by_position, change, enhanced, identified, setting
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.uid import (
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from edgeseg.errors import EdgesegError, VolumeError
from edgeseg.imaging.dicom.scan import DicomScan
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.nifti import AIR


def _read(path: Path) -> DicomScan:
    scan = read_scan(path)
    assert isinstance(scan, DicomScan)
    return scan


def test_the_real_series_is_what_another_reader_says(dicom_series: Path) -> None:
    """HU of every voxel, and where it lies, against highdicom's volume."""
    scan = _read(dicom_series)
    datasets = [identified(pydicom.dcmread(file)) for file in dicom_series.iterdir()]
    other = highdicom.get_volume_from_series(datasets)
    to_index = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ other.affine) @ scan.affine @ scan.to_file
    # Each axis of the display is highdicom's own, perhaps reversed.
    np.testing.assert_allclose(to_index, to_index.round(), atol=1e-6)
    steps = np.diag(to_index)[:3].round().astype(int)
    np.testing.assert_allclose(to_index[:3, :3], np.diag(steps), atol=1e-6)
    starts = to_index[:3, 3].round().astype(int)
    axes = map(np.arange, scan.voxels.shape)
    index = (start + step * axis for start, step, axis in zip(starts, steps, axes, strict=True))
    np.testing.assert_array_equal(scan.voxels, other.array[np.ix_(*index)])
    assert scan.voxels.dtype == np.int16
    assert scan.warning is None
    assert scan.geometry(0).row_mm == pytest.approx(0.9765625)


def test_it_is_seen_upright(small: Path) -> None:
    """The spine lies behind, the liver at the picture's left."""
    image = _read(small).slice(10)
    rows, _ = np.nonzero(image > 300)
    assert rows.mean() > 30
    soft = (image > 80) & (image < 180)
    assert soft[:, :32].sum() > soft[:, 32:].sum()


def test_each_slice_has_its_own_rescale(small: Path) -> None:
    """As PET/CT scanners write it: stored values differ, HU do not."""
    before = _read(small).voxels
    for number, file in enumerate(by_position(small)):

        def restore(dataset: pydicom.Dataset, number: int = number) -> None:
            stored = (dataset.pixel_array.astype(np.int32) - 1024 + 30 * number).astype(np.int16)
            dataset.PixelData = stored.tobytes()
            dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
            dataset.RescaleIntercept = -30 * number

        change(file, restore)
    assert np.array_equal(_read(small).voxels, before)


def test_a_broken_slope_keeps_fractions(small: Path) -> None:
    before = _read(small).voxels
    for file in small.iterdir():
        change(file, setting(RescaleSlope="0.5", RescaleIntercept="-1024.25"))
    after = _read(small).voxels
    assert after.dtype == np.float32
    np.testing.assert_allclose(after, (before + 1024) * 0.5 - 1024.25, atol=1e-4)


@pytest.mark.parametrize(("limit", "below"), [(None, 1), (40, 41)])
def test_padding_is_air(small: Path, limit: int | None, below: int) -> None:
    """Outside of the field of view there may be anything, far above any tissue too."""
    before = _read(small).voxels

    def pad(dataset: pydicom.Dataset) -> None:
        stored: NDArray[np.uint16] = 4000 - dataset.pixel_array
        dataset.PixelData = stored.tobytes()
        dataset.add_new("PixelPaddingValue", "US", 4000)
        dataset.BitsStored, dataset.HighBit = 16, 15
        if limit is not None:
            dataset.add_new("PixelPaddingRangeLimit", "US", 4000 - limit)

    for file in small.iterdir():
        change(file, pad)
    after = _read(small).voxels
    outside = before + 1024 < below
    assert outside.any()
    assert (after[outside] == AIR).all()
    assert np.array_equal(after[~outside], 4000 - (before[~outside] + 1024) - 1024)


def test_signed_padding_written_as_unsigned_is_understood(small: Path) -> None:
    def pad(dataset: pydicom.Dataset) -> None:
        stored = dataset.pixel_array.astype(np.int16) - 1024
        stored[:5] = -2000
        dataset.PixelData = stored.tobytes()
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
        dataset.RescaleIntercept = 0
        dataset.add_new("PixelPaddingValue", "US", 2**16 - 2000)

    for file in small.iterdir():
        change(file, pad)
    assert (_read(small).voxels[:, :5] == AIR).all()


def test_an_inverted_series_keeps_its_hu(small: Path) -> None:
    before = _read(small).voxels
    for file in small.iterdir():
        change(file, setting(PhotometricInterpretation="MONOCHROME1"))
    scan = _read(small)
    assert np.array_equal(scan.voxels, before)
    assert scan.warning is not None
    assert "MONOCHROME1" in scan.warning


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_series_are_read(syntax: UID, small: Path) -> None:
    before = _read(small).voxels
    for file in small.iterdir():
        change(file, lambda dataset: dataset.compress(syntax, generate_instance_uid=False))
    assert np.array_equal(_read(small).voxels, before)


@pytest.mark.parametrize(
    ("kind", "uid"),
    [("JPEGLosslessProcess14_1", JPEGLosslessSV1), ("JPEG2000Lossless", JPEG2000Lossless)],
)
def test_lossless_jpeg_is_read(kind: str, uid: UID, small: Path, tmp_path: Path) -> None:
    """What archives hold most; python-gdcm makes it here."""
    before = _read(small).voxels
    syntax = gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, kind))
    for file in small.iterdir():
        reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
        reader.SetFileName(str(file))
        assert reader.Read()
        packing = gdcm.ImageChangeTransferSyntax()
        packing.SetTransferSyntax(syntax)
        packing.SetInput(reader.GetImage())
        assert packing.Change()
        writer.SetFileName(str(file))
        writer.SetFile(reader.GetFile())
        writer.SetImage(packing.GetOutput())
        assert writer.Write()
        assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == uid
    assert np.array_equal(_read(small).voxels, before)


_WITHOUT_DECODERS = """
import sys
for name in ("gdcm", "pylibjpeg", "libjpeg", "openjpeg", "jpeg_ls"):
    sys.modules[name] = None
sys.argv = ["edgeseg", *sys.argv[1:]]
from edgeseg.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("syntax", "remedy"),
    [
        (JPEGLosslessSV1, "pip install python-gdcm"),
        (JPEGExtended12Bit, "pip install pylibjpeg pylibjpeg-libjpeg"),
        (HTJ2KLossless, "pip install pylibjpeg pylibjpeg-openjpeg"),
        (UID("1.2.840.10008.1.2.4.100"), "export the series uncompressed"),
    ],
)
def test_what_nothing_decodes_names_the_package(
    syntax: UID, remedy: str, small: Path, tmp_path: Path
) -> None:
    for file in small.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = pydicom.encaps.encapsulate([bytes(100)])
        dataset["PixelData"].VR = "OB"
        dataset.save_as(file)
    command = [sys.executable, "-c", _WITHOUT_DECODERS, "segment", "none.edgeseg", str(small)]
    command += ["-o", str(tmp_path / "mask.nii.gz")]
    ran = subprocess.run(command, capture_output=True, check=False, text=True)
    (line,) = ran.stderr.splitlines()
    assert f"nothing installed decodes {syntax.name}; {remedy}" in line
    assert ran.returncode == 2


@pytest.mark.parametrize("share", [0.1, 0.3, 0.9, 0.99])
def test_truncated_files_are_refused(share: float, small: Path) -> None:
    file = by_position(small)[4]
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(VolumeError) as caught:
        read_scan(small)
    assert file.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_compressed_file_is_refused(share: float, small: Path) -> None:
    file = by_position(small)[4]
    change(file, lambda dataset: dataset.compress(RLELossless, generate_instance_uid=False))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(VolumeError, match=f"{file.name} "):
        read_scan(small)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ImagePositionPatient": None}, "has no ImagePositionPatient"),
        ({"PixelSpacing": [0, 0]}, "has pixels of 0.0 x 0.0 mm"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "has an orientation that is none"),
        ({"RescaleSlope": None}, "has no rescale slope and intercept"),
        ({"RescaleType": "Z_EFF"}, "holds no HU by its RescaleType"),
    ],
)
def test_headers_that_tell_too_little_are_refused(
    values: dict[str, object], said: str, small: Path
) -> None:
    file = change(by_position(small)[4], setting(**values))
    with pytest.raises(VolumeError, match=f"{file.name} {said}"):
        read_scan(small)


def test_an_enhanced_series_is_read(small: Path, tmp_path: Path) -> None:
    """One file of many frames, in no order."""
    whole = _read(small)
    frames = [pydicom.dcmread(file) for file in small.iterdir()]
    enhanced(frames).save_as(tmp_path / "enhanced.dcm")
    scan = _read(tmp_path / "enhanced.dcm")
    assert np.array_equal(scan.voxels, whole.voxels)
    np.testing.assert_allclose(scan.affine, whole.affine)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1),
    cut=st.integers(0, 40),
)
def test_a_damaged_header_is_read_or_refused(
    changes: list[tuple[float, bytes]], cut: int, small_original: Path, tmp_path: Path
) -> None:
    """Nothing else is raised, and no element is shown: it might name the patient."""
    data = bytearray(by_position(small_original)[0].read_bytes())
    header = len(data) - 2 * 64 * 64
    for place, written in changes:
        start = int(place * header)
        data[start : start + len(written) + cut] = written
    file = tmp_path / "IM1"
    file.write_bytes(data)
    with contextlib.suppress(EdgesegError):
        read_scan(file)
