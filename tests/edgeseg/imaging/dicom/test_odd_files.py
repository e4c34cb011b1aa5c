"""What lies beside a sound series, and what its files lack, does not keep it from being read."""

import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from drawn_dicom import COUNT, draw_series, drawn_hu, drawn_slice
from pydicom.fileset import FileSet
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from edgeseg.errors import UsageError, VolumeError
from edgeseg.imaging.dicom.choice import choice_text, parse_choice
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.scan import Scan


def _is_sound(scan: Scan) -> bool:
    """Tell whether a scan has the drawn slices in their order."""
    assert len(scan) == COUNT
    return all(np.array_equal(scan.slice(k), drawn_hu(k)) for k in range(COUNT))


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A sound series."""
    return draw_series(tmp_path / "ct")


def test_files_that_lost_their_preamble_are_read(series: Path) -> None:
    """They begin with the group of the file, or with its version where the length is lost, too."""
    for number, file in enumerate(series.iterdir()):
        bare = file.read_bytes()[132:]
        assert bare[:4] == b"\x02\x00\x00\x00"
        file.write_bytes(bare[12:] if number % 2 else bare)
    assert _is_sound(read_scan(series))
    assert len(read_scan(next(series.iterdir()))) == 1


@pytest.mark.parametrize("modality", ["", None, " "])
def test_without_modality_the_class_tells(modality: str | None, tmp_path: Path) -> None:
    series = draw_series(tmp_path / "ct", lambda _: {"Modality": modality})
    assert _is_sound(read_scan(series))


@pytest.mark.parametrize(
    ("of_class", "said"),
    [
        (MRImageStorage, r"MR Image Storage \(10\)"),
        (SecondaryCaptureImageStorage, r"secondary capture \(10\)"),
        ("", r"image of unknown modality \(10\)"),
    ],
)
def test_without_modality_what_is_no_ct_is_named(of_class: str, said: str, tmp_path: Path) -> None:
    series = draw_series(tmp_path / "ct", lambda _: {"Modality": "", "SOPClassUID": of_class})
    if not of_class:
        for file in series.iterdir():
            dataset = pydicom.dcmread(file)
            dataset.file_meta.MediaStorageSOPClassUID = UID("")
            dataset.save_as(file)
    with pytest.raises(VolumeError, match=f"holds no CT series, but {said}; give a CT"):
        read_scan(series)


def _report(path: Path) -> bytes:
    """Write a report, with the series' UID as some stations have it; return it."""
    dataset = drawn_slice(0, Modality="SR", SOPClassUID=BasicTextSRStorage)
    dataset.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    dataset.StudyDescription = "report " * 9
    dataset.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def test_a_damaged_report_is_left_out(series: Path) -> None:
    whole = _report(series / "report")
    start = whole.index(b"report report")
    # A length that leads out of the file.
    damaged = whole[: start - 2] + b"\xff\xff" + whole[start : start + 9]
    (series / "report").write_bytes(damaged)
    scan = read_scan(series)
    assert _is_sound(scan)
    assert scan.warning is not None
    assert scan.warning.startswith("left out: ")
    (series / "report").write_bytes(whole[:300])
    assert _is_sound(read_scan(series))


def test_a_damaged_slice_is_not_left_out(series: Path) -> None:
    """At the end of a series nothing else would tell that it is missing."""
    last = series / "IM003"
    assert pydicom.dcmread(last).InstanceNumber == COUNT
    whole = last.read_bytes()
    start = whole.index(b"abdomen")
    last.write_bytes(whole[: start - 2] + b"\xff\xff" + whole[start : start + 9])
    with pytest.raises(VolumeError, match="IM003 is "):
        read_scan(series)


def _index_of(series: Path) -> Path:
    """Return the index of a set of a series' files."""
    files = FileSet()
    for file in series.iterdir():
        files.add(file)
    files.write(series.parent / "set")
    files._stage["t"].cleanup()  # collected, it would warn of its folder
    return series.parent / "set" / "DICOMDIR"


def test_pictures_an_index_a_zip_and_texts_beside_a_series_are_passed_over(series: Path) -> None:
    _index_of(series).rename(series / "DICOMDIR")
    (series / "thumbnail.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    (series / "thumbnail.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(64))
    with zipfile.ZipFile(series / "viewer.zip", "w") as archive:
        archive.writestr("viewer.exe", bytes(64))
    (series / "liesmich.txt").write_text("nothing" * 50)
    scan = read_scan(series)
    assert _is_sound(scan)
    assert scan.warning is None


def test_an_index_without_preamble_is_passed_over(series: Path) -> None:
    (series / "DICOMDIR").write_bytes(_index_of(series).read_bytes()[132:])
    assert _is_sound(read_scan(series))


def test_an_index_given_alone_says_what_to_give(series: Path) -> None:
    with pytest.raises(VolumeError, match="DICOMDIR: holds no DICOM image; give a folder"):
        read_scan(_index_of(series))


def test_a_zip_is_known_by_its_contents(series: Path) -> None:
    path = series.parent / "export.download"
    with zipfile.ZipFile(path, "w") as archive:
        for file in series.iterdir():
            archive.write(file, file.name)
        archive.writestr("picture.png", b"\x89PNG\r\n\x1a\n")
    assert _is_sound(read_scan(path))


def _zip_of(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    return target


def test_the_only_zip_of_a_folder_is_read(series: Path) -> None:
    folder = series.parent / "download"
    folder.mkdir()
    (folder / "readme.txt").write_text("see the zip")
    _zip_of(series, folder / "study.zip")
    assert _is_sound(read_scan(folder))
    _zip_of(series, folder / "second.zip")
    with pytest.raises(VolumeError, match=r"holds 2 zips and no scan beside them; give one"):
        read_scan(folder)


def test_a_zip_in_a_zip_is_named(series: Path) -> None:
    inner = _zip_of(series, series.parent / "inner.zip")
    outer = series.parent / "outer.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(inner, "export/inner.zip")
    with pytest.raises(VolumeError, match=r"holds a zip, 'export/inner\.zip', and no DICOM image"):
        read_scan(outer)


def _with_phases(folder: Path, ahead: float = 0.0) -> Path:
    """Write two acquisitions, the second brighter, ``ahead`` mm before the slices of the first."""
    draw_series(folder)
    for index in range(COUNT):
        dataset = drawn_slice(index, AcquisitionNumber=2, InstanceNumber=100 + index)
        dataset.ImagePositionPatient = [-90.0, -80.0, 300 - ahead + 3.0 * index]
        brighter = (drawn_hu(index) + 1024 + 30).astype("<u2")
        dataset.PixelData = brighter.tobytes()
        dataset.save_as(folder / f"late{index}", enforce_file_format=True)
    return folder


def test_an_acquisition_is_chosen(tmp_path: Path) -> None:
    folder = _with_phases(tmp_path / "ct")
    with pytest.raises(VolumeError, match=r"; choose one with acquisition \(1 and 2\)"):
        read_scan(folder)
    assert _is_sound(read_scan(folder, "acquisition=1"))
    later = read_scan(folder, "abdomen, acquisition=2")
    np.testing.assert_array_equal(later.slice(3), drawn_hu(3) + 30)
    with pytest.raises(UsageError, match="has no acquisition 7; it has 1 and 2"):
        read_scan(folder, "2,acquisition=7")


def test_phases_between_each_other_are_told(tmp_path: Path) -> None:
    """They make an even stack, half as far apart."""
    scan = read_scan(_with_phases(tmp_path / "ct", ahead=1.5))
    assert len(scan) == 2 * COUNT
    assert scan.warning is not None
    assert "slices alternate between acquisitions 1 and 2" in scan.warning


def test_acquisitions_behind_each_other_are_one_volume(tmp_path: Path) -> None:
    scan = read_scan(draw_series(tmp_path / "ct", lambda i: {"AcquisitionNumber": i // 4}))
    assert _is_sound(scan)
    assert scan.warning is None


@pytest.mark.parametrize(
    ("series", "acquisition", "text"),
    [
        (None, None, None),
        ("a, b", None, "a, b"),
        (None, 2, "acquisition=2"),
        ("3", 0, "3,acquisition=0"),
    ],
)
def test_a_choice_is_one_text(
    series: str | None, acquisition: int | None, text: str | None
) -> None:
    assert choice_text(series, acquisition) == text
    choice = parse_choice(text)
    assert (choice.series, choice.acquisition) == (series, acquisition)


def test_a_series_without_rescale_is_read_and_told(tmp_path: Path) -> None:
    def raw(index: int) -> dict[str, object]:
        return {
            "RescaleSlope": None,
            "RescaleIntercept": None,
            "PixelRepresentation": 1,
            "PixelData": drawn_hu(index).astype("<i2").tobytes(),
        }

    scan = read_scan(draw_series(tmp_path / "ct", raw))
    assert _is_sound(scan)
    assert scan.warning == "the series lacks a rescale slope or intercept: taken as 1 and 0"


def test_a_slice_that_lost_its_rescale_among_others_is_refused(tmp_path: Path) -> None:
    series = draw_series(tmp_path / "ct", lambda i: {"RescaleSlope": None} if i == 6 else {})
    with pytest.raises(VolumeError, match="no rescale slope and intercept, unlike others"):
        read_scan(series)


def test_a_table_in_place_of_a_rescale_is_refused(tmp_path: Path) -> None:
    table = pydicom.Dataset()
    table.LUTDescriptor = [4096, 0, 16]

    def odd(_: int) -> dict[str, object]:
        return {
            "RescaleSlope": None,
            "RescaleIntercept": None,
            "ModalityLUTSequence": pydicom.Sequence([table]),
        }

    with pytest.raises(VolumeError, match="has a table in place of slope and intercept"):
        read_scan(draw_series(tmp_path / "ct", odd))


def test_a_compressed_picture_of_another_size_is_not_decoded(tmp_path: Path) -> None:
    """A decoder would believe the picture, however large it says that it is."""
    series = draw_series(tmp_path / "ct")
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.compress(pydicom.uid.JPEGLSLossless, generate_instance_uid=False)
        dataset.save_as(file)
    assert _is_sound(read_scan(series))
    whole = file.read_bytes()
    head = b"\xff\xf7\x00\x0b"
    start = whole.index(head) + len(head) + 1
    assert whole[start : start + 4] == b"\x00\x40\x00\x40"
    file.write_bytes(whole[:start] + b"\xff\xff\xff\xff" + whole[start + 4 :])
    with pytest.raises(VolumeError, match="of 65535 x 65535 pixels, and its header says 64"):
        read_scan(series)
