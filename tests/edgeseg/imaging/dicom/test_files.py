"""DICOM files are found wherever they lie; what is none is passed over, what does harm refused."""

import io
import re
import stat
import zipfile
from pathlib import Path

import pydicom
import pytest
from dicom_copies import by_position

from edgeseg.errors import UsageError, VolumeError
from edgeseg.imaging import zipped
from edgeseg.imaging.dicom.files import dicom_entries, is_dicom
from edgeseg.imaging.formats import read_scan

_DEFLATED = zipfile.ZIP_DEFLATED


def _zip(folder: Path, target: Path, **others: bytes) -> Path:
    with zipfile.ZipFile(target, "w", _DEFLATED) as archive:
        for file in folder.rglob("*"):
            archive.write(file, f"export/{file.relative_to(folder)}")
        for name, data in others.items():
            archive.writestr(name, data)
    return target


def _names(path: Path) -> list[str]:
    with dicom_entries(path) as entries:
        return [entry.name for entry in entries]


def test_a_folder_is_searched_and_what_is_no_dicom_passed_over(small: Path) -> None:
    (small / "deep" / "er").mkdir(parents=True)
    (small / "00.dcm").rename(small / "deep" / "er" / "IM000001")
    (small / "README.txt").write_text("no image" * 50)
    (small / ".DS_Store").write_bytes(bytes(200))
    (small / "empty").touch()
    assert len(_names(small)) == 20
    assert "deep/er/IM000001" in _names(small)
    assert len(read_scan(small)) == 20


def test_a_directory_file_is_no_image(small: Path) -> None:
    directory = pydicom.Dataset()
    directory.file_meta = pydicom.dataset.FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3")
    directory.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    directory.save_as(small / "DICOMDIR", enforce_file_format=True)
    scan = read_scan(small)
    assert len(scan) == 20
    assert scan.warning is None
    with pytest.raises(VolumeError, match="DICOMDIR: holds no DICOM image"):
        read_scan(small / "DICOMDIR")


def test_a_zip_gives_what_its_folder_gives(small: Path, tmp_path: Path) -> None:
    whole = read_scan(small)
    scan = read_scan(_zip(small, tmp_path / "study.ZIP", **{"viewer.exe": bytes(10_000)}))
    assert all((scan.slice(k) == whole.slice(k)).all() for k in range(20))


def test_a_bare_data_set_is_read(small: Path) -> None:
    """Old exports have neither preamble nor file meta information."""
    whole = read_scan(small)
    for file in small.iterdir():
        dataset = pydicom.dcmread(file)
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(file, implicit_vr=True, little_endian=True)
        assert file.read_bytes()[:2] == b"\x08\x00"
    scan = read_scan(small)
    assert all((scan.slice(k) == whole.slice(k)).all() for k in range(20))


def test_one_file_is_a_scan_of_one_slice(small: Path) -> None:
    scan = read_scan(by_position(small)[0])
    assert len(scan) == 1
    assert scan.affine is not None
    assert scan.affine[2, 2] == pytest.approx(3)  # its thickness


@pytest.mark.parametrize(
    "name", ["../climbs", "export/../../climbs", "/absolute", "C:/drive", "up\\..\\..\\climbs"]
)
def test_a_zip_with_a_path_that_leads_out_is_refused(
    name: str, small: Path, tmp_path: Path
) -> None:
    path = _zip(small, tmp_path / "study.zip", **{name: b"x"})
    with pytest.raises(VolumeError, match=f"leads out of it, {re.escape(repr(name))}"):
        read_scan(path)
    assert {file.name for file in tmp_path.iterdir()} == {"ct", "study.zip"}


def test_a_zip_with_a_link_is_refused(small: Path, tmp_path: Path) -> None:
    path = _zip(small, tmp_path / "study.zip")
    link = zipfile.ZipInfo("export/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(VolumeError, match="has a link, 'export/link'"):
        read_scan(path)


def test_a_zip_with_too_large_a_file_is_refused(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _zip(small, tmp_path / "study.zip")
    monkeypatch.setattr(zipped, "MAX_ENTRY_BYTES", 9000)
    with pytest.raises(VolumeError, match="more than 1 GiB"):
        read_scan(path)


def test_a_bomb_is_refused_before_it_goes_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, "MAX_ENTRY_BYTES", 2**20)
    entries = {f"{number}": bytes(2**20) for number in range(8)}
    path = _zip(tmp_path / "none", tmp_path / "study.zip", **entries)
    with pytest.raises(VolumeError, match="unpacks to 8388608 bytes, more than a study"):
        read_scan(path)


def test_an_encrypted_zip_is_refused(small: Path, tmp_path: Path) -> None:
    path = _zip(small, tmp_path / "study.zip")
    data = bytearray(path.read_bytes())
    record = data.index(b"PK\x01\x02")
    data[record + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(VolumeError, match="is encrypted; unpack it"):
        read_scan(path)


def test_a_damaged_zip_is_refused(small: Path, tmp_path: Path) -> None:
    path = _zip(small, tmp_path / "study.zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VolumeError, match="is no zip or is damaged"):
        read_scan(path)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        entry = archive.infolist()[5]
    middle = entry.header_offset + entry.compress_size // 2
    path.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    with pytest.raises(VolumeError, match=f"{entry.filename} is truncated or damaged"):
        read_scan(path)


def test_an_empty_study_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "none", tmp_path / "study.zip", **{"README.txt": b"nothing"})
    with pytest.raises(VolumeError, match=r"holds no DICOM image; give a folder or \.zip"):
        read_scan(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VolumeError, match=r"holds no scan; .* or DICOM"):
        read_scan(tmp_path / "empty")


def test_a_picture_beside_a_series_is_passed_over(small: Path) -> None:
    (small / "slice.png").write_bytes(b"")
    assert len(read_scan(small)) == 20


def test_what_is_no_scan_is_told_what_is(tmp_path: Path) -> None:
    (tmp_path / "scan.mha").write_bytes(bytes(1000))
    assert not is_dicom(tmp_path / "scan.mha")
    with pytest.raises(VolumeError, match="is no scan; give a NIfTI, 8-bit PNG slices, or DICOM"):
        read_scan(tmp_path / "scan.mha")
    (tmp_path / "ct.nii").write_bytes(bytes(1000))
    with pytest.raises(UsageError, match="series is for DICOM"):
        read_scan(tmp_path / "ct.nii", "3")
