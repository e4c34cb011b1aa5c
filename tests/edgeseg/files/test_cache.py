"""The cache folder is where it should be, and its owner's alone."""

from pathlib import Path

import pytest

from edgeseg.errors import OutputError
from edgeseg.files.cache import cache_folder


def test_the_folder_is_made_where_the_environment_says(cache: Path) -> None:
    folder = cache_folder("things")
    assert folder == cache / "edgeseg" / "things"
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
    assert cache_folder("things") == folder


def test_without_a_word_from_the_environment_it_is_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable counts as none."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder("things") == tmp_path / ".cache" / "edgeseg" / "things"


def test_a_folder_that_cannot_be_made_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match=r"can't make the cache folder .*set XDG_CACHE_HOME"):
        cache_folder("things")
