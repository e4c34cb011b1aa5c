"""Key pairs as they are created: for machines, and for those who sign bundles."""

import stat
from pathlib import Path

import pytest

from edgeseg.errors import UsageError
from edgeseg_runtime import create_keys, own_keys


def test_a_pair_is_this_machines_own_under_the_default_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_keys(None) is None
    files = create_keys()
    assert files.secret.parent == files.public.parent == tmp_path / "edgeseg"
    assert stat.S_IMODE(files.secret.stat().st_mode) == 0o600
    keys = own_keys(None)
    assert keys is not None
    assert keys.public == files.public_key


def test_signing_keys_have_no_place_in_a_boards_file(tmp_path: Path) -> None:
    pytest.importorskip("nacl")
    files = create_keys("ward", tmp_path, signing=True)
    assert files.public_key is None
    assert {path.name for path in tmp_path.iterdir()} == {files.secret.name, files.public.name}


@pytest.mark.parametrize("name", ["", "a b", "../a", "a/b"])
def test_a_name_that_is_no_file_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't name a file"):
        create_keys(name, tmp_path)
    assert not list(tmp_path.iterdir())
