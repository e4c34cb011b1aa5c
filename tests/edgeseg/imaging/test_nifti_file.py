"""A NIfTI is known by its contents, however it is packed; nothing that it states is believed."""

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scan_processes import read_in_a_process

from edgeseg.errors import VolumeError
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.grid import read_grid
from edgeseg.imaging.nifti import NiftiScan

_SHAPE = (40, 30, 6)
_AFFINE = np.diag([-1.0, -1.0, 2.5, 1.0])


def _voxels() -> NDArray[np.int16]:
    return np.arange(np.prod(_SHAPE), dtype=np.int16).reshape(_SHAPE) - np.int16(1000)


@pytest.fixture
def plain(tmp_path: Path) -> bytes:
    """The bytes of a NIfTI of 40 x 30 x 6 voxels."""
    nib.save(nib.Nifti1Image(_voxels(), _AFFINE), tmp_path / "plain.nii")
    return (tmp_path / "plain.nii").read_bytes()


def _is_whole(path: Path) -> bool:
    scan = read_scan(path)
    assert isinstance(scan, NiftiScan)
    return np.array_equal(scan.voxels, _voxels().transpose(2, 1, 0))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.gz", "ct", "ct.nii.GZ.1"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_nifti_is_read_under_any_name(
    name: str, packed: bool, plain: bytes, tmp_path: Path
) -> None:
    path = _written(tmp_path / name, gzip.compress(plain) if packed else plain)
    assert _is_whole(path)
    assert read_grid(path).shape == _SHAPE


def test_nifti_2_is_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(_voxels(), _AFFINE), tmp_path / "ct.nii.gz")
    assert _is_whole(tmp_path / "ct.nii.gz")


@pytest.mark.parametrize(
    "behind", [b"\0" * 5000, b"padding of an archive", b"\x1f", bytes(range(9))]
)
def test_bytes_behind_a_gzip_are_no_fault(behind: bytes, plain: bytes, tmp_path: Path) -> None:
    assert _is_whole(_written(tmp_path / "ct.nii.gz", gzip.compress(plain) + behind))


def test_a_gzip_of_several_members_is_read(plain: bytes, tmp_path: Path) -> None:
    parts = b"".join(gzip.compress(plain[start : start + 999]) for start in range(0, 20000, 999))
    assert _is_whole(_written(tmp_path / "ct.nii.gz", parts))


@pytest.mark.parametrize("share", [0.2, 0.6, 0.999])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_short_is_refused(
    share: float, packed: bool, plain: bytes, tmp_path: Path
) -> None:
    content = gzip.compress(plain) if packed else plain
    path = _written(tmp_path / "ct.nii.gz", content[: int(share * len(content))])
    with pytest.raises(VolumeError, match="truncated or damaged") as caught:
        read_scan(path)
    assert "\n" not in str(caught.value)


def test_a_changed_byte_of_a_gzip_is_met(plain: bytes, tmp_path: Path) -> None:
    """Wherever it lies, also in the checksum behind the last voxel."""
    content = gzip.compress(plain, mtime=0)
    for place in (len(content) // 2, len(content) - 6):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        with pytest.raises(VolumeError, match="truncated or damaged"):
            read_scan(_written(tmp_path / "ct.nii.gz", changed))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["study.zip", "download"])
def test_the_only_nifti_of_a_zip_is_read(
    packed: bool, name: str, plain: bytes, tmp_path: Path
) -> None:
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export/readme.txt", "a scan")
        archive.writestr("__MACOSX/._ct.nii", b"shadow")
        ending = ".nii.gz" if packed else ".nii"
        archive.writestr(f"export/ct{ending}", gzip.compress(plain) if packed else plain)
    assert _is_whole(path)


def test_a_zip_of_several_niftis_asks_for_one(plain: bytes, tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("ct.nii", "labels.nii"):
            archive.writestr(name, plain)
    with pytest.raises(VolumeError, match=r"holds 2 NIfTIs \('ct\.nii', 'labels\.nii'\); give"):
        read_scan(path)


def _stating(plain: bytes, **fields: Any) -> bytes:
    """Return the NIfTI with other figures in its header."""
    header = nib.Nifti1Header(plain[:348])
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + plain[348:]


def _bomb(path: Path, start: bytes, zeros: int) -> Path:
    """Write a gzip of a start and then so many zeros."""
    packer, chunk = zlib.compressobj(1, wbits=31), bytes(2**22)
    with path.open("wb") as file:
        file.write(packer.compress(start))
        for _ in range(zeros // len(chunk)):
            file.write(packer.compress(chunk))
        file.write(packer.flush())
    return path


def test_no_more_is_inflated_than_the_header_accounts_for(plain: bytes, tmp_path: Path) -> None:
    """A gzip of 2 GiB behind the last voxel."""
    path = _bomb(tmp_path / "ct.nii.gz", plain, 2**31)
    said, grown = read_in_a_process(path)
    assert said == "6"
    assert grown < 100


@pytest.mark.parametrize(
    ("extents", "said"),
    [
        ((2048, 2048, 600), "has 2516582400 voxels, more than any CT"),
        ((32767,) * 3, "too large for"),
    ],
)
def test_more_voxels_than_any_ct_has_are_refused_at_once(
    extents: tuple[int, int, int], said: str, plain: bytes, tmp_path: Path
) -> None:
    content = _stating(plain, dim=[3, *extents, 1, 1, 1, 1])
    path = _bomb(tmp_path / "ct.nii.gz", content, 2**26)
    with pytest.raises(VolumeError, match=said):
        read_scan(path)


def test_a_volume_larger_than_the_memory_is_refused_at_once(plain: bytes, tmp_path: Path) -> None:
    """By a limit of the process, as of what the machine has free."""
    content = _stating(plain, dim=[3, 1024, 1024, 2047, 1, 1, 1, 1])
    path = _bomb(tmp_path / "ct.nii.gz", content, 2**26)
    said, grown = read_in_a_process(path, 3 * 2**30)
    assert "too large for this machine's memory" in said
    assert grown < 100


def test_a_file_that_states_more_than_it_holds_is_refused_at_once(
    plain: bytes, tmp_path: Path
) -> None:
    path = _written(tmp_path / "ct.nii", _stating(plain, dim=[3, 512, 512, 900, 1, 1, 1, 1]))
    with pytest.raises(VolumeError, match=r"it has 14752 bytes, and its header says 471859200"):
        read_scan(path)


def test_an_extension_is_no_way_round(plain: bytes, tmp_path: Path) -> None:
    """nibabel holds what lies between header and voxels in memory."""
    content = bytearray(_stating(plain, vox_offset=2**30))
    content[348:352] = b"\1\0\0\0"
    content[352:360] = (2**30 - 352).to_bytes(4, "little") + (6).to_bytes(4, "little")
    path = _bomb(tmp_path / "ct.nii.gz", bytes(content), 2**26)
    with pytest.raises(VolumeError, match="damaged header"):
        read_scan(path)
