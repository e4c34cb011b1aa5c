"""A segmentation is written of any sound series, or refused before any work."""

from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_copies import enhanced
from drawn_dicom import COUNT, SIZE, draw_series
from pydicom.charset import convert_encodings
from pydicom.valuerep import PersonName

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.output import check_dicom_seg, write_dicom_seg
from edgeseg.imaging.formats import read_scan


def _segmented(series: Path, bundle: Path) -> highdicom.seg.Segmentation:
    """Check and write the segmentation of a box; return it as another program reads it."""
    scan, path = read_scan(series), series.parent / "seg.dcm"
    masks = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    masks[2:8, 10:20, 30:50] = 1
    check_dicom_seg(path, scan, Bundle(bundle))
    write_dicom_seg(path, scan, list(masks), Bundle(bundle))
    read = highdicom.seg.segread(path)
    array = read.get_volume(combine_segments=True, allow_missing_positions=True).array
    assert (array > 0).sum() == masks.sum()
    return read


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        ("", "Doe^Jane"),
        (None, "Doe^Jane"),
        ("ISO_IR 6", "Doe^Jane"),
        ("ISO_IR 100", "M\u00fcller^J\u00fcrgen"),
        ("ISO_IR 144", "\u041b\u044e\u043a^\u0421"),
        ("ISO_IR 192", "Wang^XiaoDong=\u738b^\u5c0f\u6771"),
        ("GB18030", "Wang^XiaoDong=\u738b^\u5c0f\u4e1c"),
        ("ISO_IR 13", "\uff94\uff8f\uff80\uff9e^\uff80\uff9b\uff73"),
        (
            ["", "ISO 2022 IR 87"],
            "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce",
        ),
        (["ISO 2022 IR 6", "ISO 2022 IR 87"], "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"),
        (
            ["ISO 2022 IR 13", "ISO 2022 IR 87"],
            "\uff94\uff8f\uff80\uff9e=\u5c71\u7530^\u592a",
        ),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=\u6d2a^\u5409\u6d1e=\ud64d^\uae38\ub3d9"),
    ],
)
def test_names_of_any_character_set_are_written_as_utf8(
    characters: str | list[str] | None, name: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    odd = {"SpecificCharacterSet": characters, "PatientName": name}
    series = draw_series(tmp_path / "ct", lambda _: odd)
    stored = pydicom.dcmread(next(series.iterdir()))
    assert str(stored.PatientName) == name
    seg = _segmented(series, tiny_bundle)
    assert seg.SpecificCharacterSet == "ISO_IR 192"
    assert str(seg.PatientName) == name
    assert name.encode() in (tmp_path / "seg.dcm").read_bytes()


def test_chinese_with_code_extensions_loses_its_escapes(tiny_bundle: Path, tmp_path: Path) -> None:
    """As in annex K of DICOM's part 5."""
    stored = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"
    characters = ["", "ISO 2022 IR 58"]
    name = PersonName(stored, convert_encodings(characters))
    odd = {"SpecificCharacterSet": characters, "PatientName": name}
    series = draw_series(tmp_path / "ct", lambda _: odd)
    assert stored in next(series.iterdir()).read_bytes()
    assert str(_segmented(series, tiny_bundle).PatientName) == "Zhang^XiaoDong=\u5f20^\u5c0f\u4e1c"


def test_other_texts_are_decoded_too(tiny_bundle: Path, tmp_path: Path) -> None:
    odd = {
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
        "StudyDescription": "\u8179\u90e8CT",
        "ReferringPhysicianName": "Sato^=\u4f50\u85e4^",
    }
    seg = _segmented(draw_series(tmp_path / "ct", lambda _: odd), tiny_bundle)
    assert seg.StudyDescription == "\u8179\u90e8CT"
    assert str(seg.ReferringPhysicianName) == "Sato^=\u4f50\u85e4^"


def test_a_name_in_another_set_than_it_says_hinders_nothing(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    series = draw_series(tmp_path / "ct", lambda _: {"PatientName": "M\u00fcller^J"})
    for file in series.iterdir():
        file.write_bytes(file.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 192"))
    assert "ller^J" in str(_segmented(series, tiny_bundle).PatientName)


def _jitter(index: int) -> dict[str, object]:
    return {"ImageOrientationPatient": ["1", f"{1e-9 * (index + 1):.10f}", "0", "0", "1", "0"]}


def _long_digits(index: int) -> dict[str, object]:
    lean = 1e-4 + 1e-9 * index
    return {"ImageOrientationPatient": [float(np.cos(lean)), float(np.sin(lean)), 0, 0, 1, 0]}


def _some_unidentified(index: int) -> dict[str, object]:
    """Half of the slices have lost the study, and descriptions differ."""
    lost: dict[str, object] = {} if index % 2 else {"StudyInstanceUID": "", "PatientID": ""}
    return {**lost, "SeriesDescription": f"slice {index}"}


def _lost_study(index: int) -> dict[str, object]:
    return {"StudyInstanceUID": None, "SeriesDescription": f"slice {index}"}


def _other_numbers(index: int) -> dict[str, object]:
    """Differ in what no reader compares."""
    return {
        "SeriesNumber": index,
        "StudyDate": "" if index % 2 else "20200102",
        "SliceThickness": 3 + index / 100,
        "PixelSpacing": [3 + 1e-7 * index, 3],
        "PatientSex": "O" if index % 2 else "U",
    }


@pytest.mark.parametrize(
    "odd", [_jitter, _long_digits, _some_unidentified, _lost_study, _other_numbers]
)
def test_what_differs_between_slices_hinders_nothing(
    odd: Callable[[int], dict[str, object]], tiny_bundle: Path, tmp_path: Path
) -> None:
    seg = _segmented(draw_series(tmp_path / "ct", odd), tiny_bundle)
    assert len(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == COUNT


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (lambda i: {"StudyInstanceUID": f"1.2.3.{1 + i % 2}"}, "has images of several studies"),
        (lambda i: {"PatientID": f"D{1 + i // 9}"}, "has images of several patients"),
    ],
)
def test_the_rest_is_refused_before_any_work(
    odd: Callable[[int], dict[str, object]], said: str | None, tiny_bundle: Path, tmp_path: Path
) -> None:
    scan = read_scan(draw_series(tmp_path / "ct", odd))
    with pytest.raises(VolumeError, match=f"{said}.*export the series again"):
        check_dicom_seg(tmp_path / "seg.dcm", scan, Bundle(tiny_bundle))
    assert {path.name for path in tmp_path.iterdir()} == {"ct"}


def test_frames_that_each_state_the_same_geometry_hinder_nothing(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    slices = [pydicom.dcmread(file) for file in draw_series(tmp_path / "ct").iterdir()]
    dataset = enhanced(sorted(slices, key=lambda dataset: dataset.InstanceNumber))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for name in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame[name] = shared[name]
        del shared[name]
    dataset.save_as(tmp_path / "enhanced.dcm")
    seg = _segmented(tmp_path / "enhanced.dcm", tiny_bundle)
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert [float(mm) for mm in measures.PixelSpacing] == [3, 3]


def test_several_files_of_many_frames_are_refused_before_any_work(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """A segmentation can lie over one such file only."""
    slices = [pydicom.dcmread(file) for file in draw_series(tmp_path / "ct").iterdir()]
    slices.sort(key=lambda dataset: dataset.InstanceNumber)
    halves = tmp_path / "halves"
    halves.mkdir()
    series = None
    for number, part in enumerate((slices[:5], slices[5:])):
        dataset = enhanced(part)
        series = series or dataset.SeriesInstanceUID
        dataset.SeriesInstanceUID = series
        dataset.save_as(halves / f"{number}.dcm")
    scan = read_scan(halves)
    assert len(scan) == COUNT
    with pytest.raises(VolumeError, match="allow no DICOM segmentation"):
        check_dicom_seg(tmp_path / "seg.dcm", scan, Bundle(tiny_bundle))
