"""The series to segment is chosen, or the choice is offered; what is no CT is named."""

import re
import shutil
from pathlib import Path

import pydicom
import pytest
from dicom_copies import NAME, another_series, by_position, change, setting
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage, generate_uid

from edgeseg.errors import EdgesegError, UsageError, VolumeError
from edgeseg.imaging.dicom.scan import DicomScan
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.scan import Scan


@pytest.fixture
def study(small: Path, tmp_path: Path) -> Path:
    """A study of two CT series, one of them thick."""
    thick = another_series(small, tmp_path / "thick", SeriesNumber=4, SeriesDescription="Thick 4.0")
    for file in by_position(thick)[::2]:
        file.unlink()
    shutil.move(thick, small / "thick")
    return small


def _description(scan: Scan) -> str:
    assert isinstance(scan, DicomScan)
    return scan.description


def test_several_series_are_listed(study: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_scan(study)
    said = str(caught.value)
    assert "holds 2 CT series: series 3 'CT Body 3.0' (20 slices, 2 mm apart)" in said
    assert "; series 4 'Thick 4.0' (10 slices, 4 mm apart); choose one with series" in said
    assert "\n" not in said
    assert NAME not in said


@pytest.mark.parametrize("wanted", ["4", "thick", "Thick 4.0"])
def test_a_series_is_chosen_by_number_or_description(study: Path, wanted: str) -> None:
    scan = read_scan(study, wanted)
    assert (len(scan), _description(scan)) == (10, "Thick 4.0")


def test_a_series_is_chosen_by_uid(study: Path) -> None:
    uid = pydicom.dcmread(next((study / "thick").iterdir())).SeriesInstanceUID
    assert len(read_scan(study, uid)) == 10


def test_a_choice_that_fits_none_or_several_is_refused(study: Path) -> None:
    with pytest.raises(UsageError, match="no series that series 7 fits; choose of: series 3"):
        read_scan(study, "7")
    for file in (study / "thick").iterdir():
        change(file, setting(SeriesNumber=3))
    with pytest.raises(UsageError, match=r"has 2 series that series 3 fits: .* give a UID"):
        read_scan(study, "3")


def test_localizers_captures_and_results_are_left_out_and_named(
    small: Path, tmp_path: Path
) -> None:
    """A localizer in the very series, and objects beside it that are no CT."""
    file = by_position(small)[0]
    along = setting(
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImageOrientationPatient=[1, 0, 0, 0, 0, -1]
    )
    change(file, along, small / "scout.dcm")
    capture = setting(
        SOPClassUID=SecondaryCaptureImageStorage, SeriesInstanceUID=generate_uid(), SeriesNumber=99
    )
    change(file, capture, small / "dose.dcm")
    change(file, setting(Modality="SR", SeriesInstanceUID=generate_uid()), small / "sr.dcm")
    scan = read_scan(small)
    assert len(scan) == 20
    assert scan.warning == ("left out: localizer (1), secondary capture (1), structured report (1)")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"Modality": "MR", "SOPClassUID": MRImageStorage}, "MR (20)"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "secondary capture (20)"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer (20)"),
        ({"Modality": "PT"}, "PET (20)"),
    ],
)
def test_what_is_no_ct_is_refused(small: Path, values: dict[str, object], kind: str) -> None:
    for file in small.iterdir():
        change(file, setting(**values))
    with pytest.raises(VolumeError, match=re.escape(f"holds no CT series, but {kind}; give a CT")):
        read_scan(small)


def test_a_chosen_series_that_is_no_ct_is_refused(study: Path) -> None:
    for file in (study / "thick").iterdir():
        change(file, setting(Modality="MR"))
    assert len(read_scan(study)) == 20
    with pytest.raises(UsageError, match=r"series 4 'Thick 4\.0' is no CT but MR \(10\)"):
        read_scan(study, "4")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"PixelSpacing": [7.0, 7.0]}, "pixels of 7 to 7.812 mm"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "images of several orientations"),
        ({"FrameOfReferenceUID": "1.2.3"}, "images of several positionings of the patient"),
    ],
)
def test_mixed_series_are_refused(small: Path, values: dict[str, object], what: str) -> None:
    for file in by_position(small)[:5]:
        change(file, setting(**values))
    with pytest.raises(VolumeError, match=f"series 3 'CT Body 3.0' mixes {what}; export them"):
        read_scan(small)


def test_images_of_two_sizes_are_refused(small: Path) -> None:
    def halve(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]
        dataset.Rows //= 2

    change(by_position(small)[3], halve)
    with pytest.raises(VolumeError, match="mixes images of 32 x 64 and 64 x 64 pixels"):
        read_scan(small)


def test_anonymous_series_are_told_apart_by_what_is_left(study: Path) -> None:
    for file in study.rglob("*.dcm"):
        change(file, setting(SeriesInstanceUID=""))
    assert len(read_scan(study, "thick")) == 10


def test_no_error_names_the_patient(study: Path) -> None:
    for wanted in (None, "nothing", "3"):
        try:
            said = str(read_scan(study, wanted).warning)
        except EdgesegError as error:
            said = str(error)
        assert "Doe" not in said
        assert "4711" not in said
