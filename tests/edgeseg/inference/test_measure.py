"""A piece is measured in a process of its own, once."""

import mmap
from pathlib import Path

import pytest

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import EdgesegError
from edgeseg.files.cache import cache_folder
from edgeseg.inference.measure import GRAIN, measure_piece, peak_resident_bytes, resident_bytes


@pytest.fixture(scope="module")
def model(uncut_bundle: Path) -> bytes:
    opened = Bundle(uncut_bundle)
    return opened.piece(opened.manifest.pieces[0])


def test_a_measurement_is_in_whole_grains_and_of_a_sane_size(model: bytes) -> None:
    measured = measure_piece(model)
    assert measured.peak_memory_bytes % GRAIN == 0
    assert GRAIN <= measured.resident_memory_bytes <= measured.peak_memory_bytes < 100 * 2**20
    assert measured.first_ms > 0
    assert measured.steady_ms > 0


def test_a_measurement_is_remembered(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The times never repeat, so the same times mean that nothing ran again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = measure_piece(model)
    assert measure_piece(model) == first
    assert len(list(cache_folder("measured").iterdir())) == 1


def test_memory_repeats_where_nothing_is_remembered(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    for folder in ("a", "b"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / folder))
        measured.append(measure_piece(model).peak_memory_bytes)
    assert abs(measured[0] - measured[1]) <= GRAIN


def test_what_does_not_run_is_an_error_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(EdgesegError, match="the compiled piece does not run"):
        measure_piece(b"no model")
    assert not list(cache_folder("measured").iterdir())


def test_the_peak_remembers_what_has_been_freed() -> None:
    room = 64 * 2**20
    before = resident_bytes()
    # Pages of its own: the heap may have as much free from before.
    filled = mmap.mmap(-1, room)
    filled.write(b"1" * room)
    assert resident_bytes() >= before + room // 2
    peak = peak_resident_bytes()
    assert peak >= before + room // 2
    filled.close()
    # The kernel's own count is a few pages off now and then.
    assert peak_resident_bytes() >= peak - 2**20
