"""Archives made to harm whoever opens them are refused before they take memory or time."""

import io
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.bundle.bundle_file import MANIFEST, Bundle
from edgeseg.errors import BundleError
from edgeseg.files.archive import DAMAGE, MAX_DIRECTORY_BYTES, stored_archive

_MIB = 2**20
Names = list[str]


def _names(path: Path) -> Names:
    with stored_archive(path) as archive:
        return archive.namelist()


def _archive(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_plain_entries_are_listed(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.zip", {"a": b"1", "b": b"22", "empty": b""})
    assert _names(path) == ["a", "b", "empty"]


def test_an_archive_with_large_offsets_is_listed(tmp_path: Path) -> None:
    """One of several GiB has a second end record."""
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.seek(5 * 2**30)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a", b"1")
    assert _names(path) == ["a"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, method: int) -> None:
    path = _archive(tmp_path / "bomb.zip", {MANIFEST: bytes(15 * _MIB)}, method)
    tracemalloc.start()
    with pytest.raises(BundleError, match="an entry is compressed or encrypted"):
        Bundle(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * _MIB


def test_a_list_of_a_million_entries_is_not_read(tmp_path: Path) -> None:
    """The archive states how long its list is; it is believed only as far as that is sane."""
    one = io.BytesIO()
    with zipfile.ZipFile(one, "w") as archive:
        archive.writestr("a", b"")
    whole = one.getvalue()
    listed, end = whole[archive.start_dir : -22], bytearray(whole[-22:])
    count = 60_000
    struct.pack_into("<HHI", end, 8, count, count, count * len(listed))
    path = tmp_path / "many.zip"
    path.write_bytes(whole[: archive.start_dir] + listed * count + end)
    assert count * len(listed) > MAX_DIRECTORY_BYTES
    start = time.monotonic()
    with pytest.raises(BundleError, match="its list of entries is too long"):
        Bundle(path)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "readme.txt", "pieces/"])
def test_entries_that_no_bundle_has_are_refused(tiny: Path, name: str) -> None:
    with zipfile.ZipFile(tiny, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BundleError, match="entries that its manifest does not name"):
        Bundle(tiny)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tiny: Path) -> None:
    """Else two readers could take different ones for the manifest."""
    with zipfile.ZipFile(tiny, "a") as archive:
        archive.writestr(MANIFEST, b"{}")
    with pytest.raises(BundleError, match="two entries have the same name"):
        Bundle(tiny)


def _listed(path: Path, change: Callable[[bytearray, int, int], None]) -> None:
    """Change the last two entries of the list of an archive in place."""
    content = bytearray(path.read_bytes())
    last = content.rindex(b"PK\x01\x02")
    change(content, content.rindex(b"PK\x01\x02", 0, last), last)
    path.write_bytes(content)


def test_entries_that_overlap_are_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.zip", {"a": b"1" * 100, "b": b"2" * 100})

    def overlap(content: bytearray, first: int, last: int) -> None:
        struct.pack_into("<I", content, last + 42, struct.unpack_from("<I", content, first + 42)[0])

    _listed(path, overlap)
    with pytest.raises(DAMAGE, match=r"[Oo]verlap"):
        _names(path)


@pytest.mark.parametrize("sizes", [(2**31, 2**31), (100, 2**30), (2**30, 100), (200, 200)])
def test_entries_larger_than_the_file_are_refused(tmp_path: Path, sizes: tuple[int, int]) -> None:
    path = _archive(tmp_path / "a.zip", {"a": b"1" * 100, "b": b"2" * 100})

    def grow(content: bytearray, first: int, last: int) -> None:
        struct.pack_into("<II", content, last + 20, *sizes)

    _listed(path, grow)
    with pytest.raises(DAMAGE):
        _names(path)


@pytest.fixture
def tiny(tmp_path: Path, tiny_bundle: Path) -> Path:
    copy = tmp_path / "tiny.edgeseg"
    copy.write_bytes(tiny_bundle.read_bytes())
    return copy
