"""Which volumes a study has, in the layouts that people have, and what they are called."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from edgeseg.errors import UsageError
from edgeseg_runtime.study.inputs import list_volumes

_DICOM = bytes(128) + b"DICM"


def _made(folder: Path, *files: str, content: bytes = b"x") -> list[Path]:
    paths = [folder / file for file in files]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return paths


def _listed(tmp_path: Path, *inputs: Path) -> dict[str, Path]:
    listed = list_volumes(inputs, tmp_path / "masks")
    return {volume.name: volume.path for volume in listed}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("scan.nii.gz", "scan"),
        ("scan.v2.NII", "scan.v2"),
        ("scan.zip", "scan"),
        ("scan.png", "scan"),
        ("IM0001", "IM0001"),
        ("case_00007/imaging.nii.gz", "case_00007"),
    ],
)
def test_a_file_is_named_without_its_ending(tmp_path: Path, file: str, name: str) -> None:
    (path,) = _made(tmp_path, file)
    assert _listed(tmp_path, path) == {name: path}


@pytest.mark.parametrize("given", ["whole", "cases", "files"])
def test_kits_is_read_however_it_is_given(tmp_path: Path, given: str) -> None:
    """Labels are no scans."""
    kits = tmp_path / "kits"
    files = _made(kits, "case_1/imaging.nii.gz", "case_2/imaging.nii.gz")
    _made(kits, "case_1/segmentation.nii.gz", "kits.json")
    inputs = {"whole": [kits], "cases": [file.parent for file in files], "files": files}[given]
    assert _listed(tmp_path, *inputs) == dict(zip(("case_1", "case_2"), files, strict=True))


def test_a_folder_is_a_volume_or_holds_volumes(tmp_path: Path) -> None:
    study = tmp_path / "study"
    nifti, archive = _made(study, "b.nii.gz", "c.zip")
    _made(study, "readme.txt", ".hidden.nii", "empty/notes.md")
    _made(study, "patient/series/IM1", "patient/series/IM2", content=_DICOM)
    (study / "pictures").mkdir()
    Image.new("L", (8, 8)).save(study / "pictures" / "1.png")
    assert _listed(tmp_path, study) == {
        "b": nifti,
        "c": archive,
        "series": study / "patient" / "series",
        "pictures": study / "pictures",
    }
    assert _listed(tmp_path, study / "pictures") == {"pictures": study / "pictures"}


def test_what_is_given_twice_counts_once(tmp_path: Path) -> None:
    (path,) = _made(tmp_path, "scans/a.nii")
    assert _listed(tmp_path, path, path.parent) == {"a": path}


def test_masks_of_an_earlier_run_are_no_inputs(tmp_path: Path) -> None:
    scan, _ = _made(tmp_path, "a.nii", "masks/a.nii.gz")
    listed = list_volumes([tmp_path], tmp_path / "masks" / ".." / "masks")
    assert [volume.path for volume in listed] == [scan]


def _refused(inputs: Sequence[Path], output: Path, *words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        list_volumes(inputs, output)
    for word in words:
        assert word in str(refusal.value)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    one, other = _made(tmp_path, "one/ct.nii.gz", "other/ct.nii")
    _refused([one, other], tmp_path / "masks", str(one), str(other), "called ct", "rename one")


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    _made(tmp_path, "patient_1.nii.gz")
    missing = tmp_path / "patient_2.nii.gz"
    _refused([missing], tmp_path / "masks", "does not exist", "did you mean", "patient_1")


def test_a_folder_without_a_volume_is_refused(tmp_path: Path) -> None:
    _made(tmp_path, "study/readme.txt")
    _refused([tmp_path / "study"], tmp_path / "masks", "holds no volume", "give NIfTI")


def test_masks_among_the_inputs_are_refused(tmp_path: Path) -> None:
    (scan,) = _made(tmp_path, "scans/a.nii")
    (slices,) = _made(tmp_path, "series/IM1", content=_DICOM)
    for given, output in ((scan, scan.parent), (slices.parent, slices.parent)):
        _refused([given], output, "holds inputs", "a folder of their own")


def test_a_zip_is_one_volume(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("IM1", _DICOM)
    assert _listed(tmp_path, path) == {"study": path}
