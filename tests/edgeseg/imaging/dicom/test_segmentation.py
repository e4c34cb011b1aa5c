"""A DICOM segmentation says the same as the mask, in codes and at places that others read."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_copies import NAME, SERIES, STUDY, by_position, change, enhanced, setting
from numpy.typing import NDArray
from pydicom.uid import UID

from edgeseg import __version__
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import OutputError, UsageError, VolumeError
from edgeseg.imaging.dicom.output import check_dicom_seg, write_dicom_seg
from edgeseg.imaging.dicom.scan import DicomScan
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.scan import Scan

Masks = NDArray[np.uint8]
_DCIODVFY = shutil.which("dciodvfy")
_CODES = {1: "64033007", 2: "108369006", 3: "367643001"}


def _series(path: Path) -> DicomScan:
    scan = read_scan(path)
    assert isinstance(scan, DicomScan)
    return scan


def _masks(scan: Scan) -> Masks:
    """Mark a different box for each label, none in the outer slices."""
    geometry = scan.geometry(0)
    masks = np.zeros((len(scan), geometry.rows, geometry.cols), np.uint8)
    masks[2:9, 5:20, 8:30] = 1
    masks[4:6, 7:12, 10:13] = 2
    masks[8:12, 40:44, 50:51] = 3
    return masks


def _written(scan: Scan, masks: Masks, bundle: Path, path: Path) -> highdicom.seg.Segmentation:
    write_dicom_seg(path, scan, list(masks), Bundle(bundle))
    return highdicom.seg.segread(path)


def _placed(seg: highdicom.seg.Segmentation) -> dict[tuple[int, float], Masks]:
    """Return each frame by its segment and its height."""
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    groups = seg.PerFrameFunctionalGroupsSequence
    return {
        (
            int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber),
            float(group.PlanePositionSequence[0].ImagePositionPatient[2]),
        ): frame
        for group, frame in zip(groups, frames, strict=True)
    }


def test_it_holds_the_mask_where_the_images_lie(
    small: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    scan = _series(small)
    masks = _masks(scan)
    seg = _written(scan, masks, tiny_bundle, tmp_path / "seg.dcm")
    placed = _placed(seg)
    for segment in _CODES:
        for index in range(len(scan)):
            # The series is stored as it is displayed: rows to the back, columns to the left.
            wanted = masks[index] == segment
            frame = placed.get((segment, -804.5 + 2 * index))
            assert wanted.any() == (frame is not None)
            assert frame is None or np.array_equal(frame, wanted)
    volume = seg.get_volume(combine_segments=True)
    np.testing.assert_allclose(volume.spacing, (2, 7.8125, 7.8125))
    assert (volume.array > 0).sum() == (masks > 0).sum()


def test_it_says_what_it_is(small: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """Codes, the algorithm with the bundle's hash, the source, and whose it is."""
    scan = _series(small)
    seg = _written(scan, _masks(scan), tiny_bundle, tmp_path / "seg.dcm")
    bundle = Bundle(tiny_bundle)
    assert seg.SegmentationType == "BINARY"
    for number, label in enumerate(bundle.manifest.labels, start=1):
        segment = seg.SegmentSequence[number - 1]
        assert (segment.SegmentNumber, segment.SegmentLabel) == (number, label.name)
        (code,) = segment.SegmentedPropertyTypeCodeSequence
        assert (code.CodeValue, code.CodingSchemeDesignator) == (_CODES[label.value], "SCT")
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert algorithm.AlgorithmName == f"edgeseg {bundle.manifest.model_name}"
        assert algorithm.AlgorithmVersion == __version__
        assert f"bundle_sha256={bundle.sha256}" in algorithm.AlgorithmParameters
    tumor = seg.SegmentSequence[1]
    assert tumor.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert tumor.AnatomicRegionSequence[0].CodeValue == "64033007"
    sources = [pydicom.dcmread(file) for file in by_position(small)]
    assert (seg.StudyInstanceUID, seg.PatientName, seg.PatientID) == (STUDY, NAME, "4711")
    assert seg.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    assert seg.SeriesInstanceUID != SERIES
    (referenced,) = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == SERIES
    named = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
    assert named <= {source.SOPInstanceUID for source in sources}
    assert seg.SeriesDescription == f"edgeseg {bundle.manifest.model_name}"
    assert seg.ContentDescription == "Research use only, not a medical device"


def test_an_empty_mask_is_written_too(small: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    scan = _series(small)
    seg = _written(scan, 0 * _masks(scan), tiny_bundle, tmp_path / "seg.dcm")
    assert seg.number_of_frames == 20 * 3
    assert not seg.pixel_array.any()


def test_a_series_stored_head_down_and_mirrored(
    small: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """Columns that run to the right: the frames are the images' own, not the display's."""
    for file in small.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        dataset.save_as(file)
    scan = _series(small)
    masks = _masks(scan)
    placed = _placed(_written(scan, masks, tiny_bundle, tmp_path / "seg.dcm"))
    frame = placed[3, -804.5 + 2 * 10]
    np.testing.assert_array_equal(frame, (masks[10] == 3)[::-1, ::-1])


def _tilted(small: Path) -> DicomScan:
    rows = [0.0, float(np.cos(0.2)), float(np.sin(0.2))]
    for file in small.iterdir():
        change(file, setting(ImageOrientationPatient=[1, 0, 0, *rows]))
    return _series(small)


def test_a_tilted_series(small: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    scan = _tilted(small)
    masks = _masks(scan)
    placed = _placed(_written(scan, masks, tiny_bundle, tmp_path / "seg.dcm"))
    np.testing.assert_array_equal(placed[1, -804.5 + 2 * 3], masks[3] == 1)


def _enhanced(small: Path) -> DicomScan:
    path = small.parent / "enhanced.dcm"
    enhanced([pydicom.dcmread(file) for file in small.iterdir()]).save_as(path)
    return _series(path)


def test_an_enhanced_series(small: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    scan = _enhanced(small)
    masks = _masks(scan)
    placed = _placed(_written(scan, masks, tiny_bundle, tmp_path / "seg.dcm"))
    np.testing.assert_array_equal(placed[1, -804.5 + 2 * 3], masks[3] == 1)
    assert (1, -804.5) not in placed


def test_an_anonymous_series_gets_an_identity(
    dicom_series: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """The real series has lost its UIDs: it is said, and files made of it belong together."""
    scan = _series(dicom_series)
    warning = check_dicom_seg(tmp_path / "seg.dcm", scan, Bundle(tiny_bundle))
    assert warning is not None
    assert "has lost its StudyInstanceUID, SeriesInstanceUID" in warning
    made = [
        _written(scan, _masks(scan), tiny_bundle, tmp_path / name) for name in ("a.dcm", "b.dcm")
    ]
    assert made[0].StudyInstanceUID == made[1].StudyInstanceUID
    assert made[0].SOPInstanceUID != made[1].SOPInstanceUID
    assert UID(made[0].StudyInstanceUID).is_valid
    source = pydicom.dcmread(next(dicom_series.iterdir()))
    assert made[0].FrameOfReferenceUID == source.FrameOfReferenceUID


def test_what_a_header_lacks_does_not_hinder(
    small: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    for file in small.iterdir():
        dataset = pydicom.dcmread(file)
        for name in ("PatientName", "PatientID", "StudyDate", "StudyID", "AccessionNumber"):
            delattr(dataset, name)
        dataset.PatientSex = "UNKNOWN"
        del dataset.FrameOfReferenceUID
        dataset.save_as(file)
    scan = _series(small)
    seg = _written(scan, _masks(scan), tiny_bundle, tmp_path / "seg.dcm")
    assert seg.PatientSex == ""
    assert UID(seg.FrameOfReferenceUID).is_valid


def _cropped(small: Path) -> DicomScan:
    for file in by_position(small)[1:]:
        file.unlink()
    change(by_position(small)[0], setting(SliceThickness=None))
    return _series(small)


@pytest.mark.skipif(_DCIODVFY is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
@pytest.mark.parametrize("make", [_series, _tilted, _enhanced, _cropped])
@pytest.mark.parametrize("empty", [False, True])
def test_dciodvfy_finds_no_error(
    make: Callable[[Path], DicomScan], empty: bool, small: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    assert _DCIODVFY is not None
    scan, path = make(small), tmp_path / "seg.dcm"
    assert check_dicom_seg(path, scan, Bundle(tiny_bundle)) is None
    _written(scan, np.full_like(_masks(scan), 0 if empty else 1), tiny_bundle, path)
    ran = subprocess.run([_DCIODVFY, path], capture_output=True, check=False, text=True)
    said = ran.stdout + ran.stderr
    assert "Segmentation" in said
    assert "Error" not in said, said


def test_a_header_that_allows_none_is_refused_at_once(
    small: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    for file in small.iterdir():
        file.write_bytes(file.read_bytes().replace(b"20221208", b"someday!"))
    with pytest.raises(VolumeError, match="elements that allow no DICOM segmentation; leave"):
        check_dicom_seg(tmp_path / "seg.dcm", _series(small), Bundle(tiny_bundle))


def test_it_is_refused_before_any_work(small: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    scan, bundle = _series(small), Bundle(tiny_bundle)
    file = by_position(small)[0]
    with pytest.raises(UsageError, match="is one of the input's images"):
        check_dicom_seg(file, scan, bundle)
    with pytest.raises(UsageError, match="is one of the input's images"):
        check_dicom_seg(file, _series(file), bundle)
    with pytest.raises(OutputError, match="create its folder first"):
        check_dicom_seg(tmp_path / "none" / "seg.dcm", scan, bundle)
    assert check_dicom_seg(tmp_path / "seg.dcm", scan, bundle) is None
    assert not (tmp_path / "seg.dcm").exists()
