"""Key files: for their owner alone, never replaced, and read with care."""

import stat
from pathlib import Path

import pytest
import zmq

from edgeseg.errors import OutputError, UsageError
from edgeseg_runtime.messaging import keys as keys_module
from edgeseg_runtime.messaging.keys import (
    KeyPair,
    check_curve,
    make_keys,
    own_keys,
    read_authorized,
    read_keys,
    read_public_key,
    write_keys,
)


def test_keys_are_read_as_they_were_written(tmp_path: Path) -> None:
    keys = make_keys()
    secret, public = write_keys(keys, "pi4-a", tmp_path / "new")
    assert (secret.name, public.name) == ("pi4-a.key", "pi4-a.pub")
    assert read_keys(secret) == keys
    assert read_public_key(public) == keys.public
    assert keys.secret not in public.read_text()
    assert keys.secret not in repr(keys)


def test_a_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    secret, _ = write_keys(make_keys(), "pi4-a", tmp_path)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    secret.chmod(0o640)
    with pytest.raises(UsageError, match=r"others may read the secret in .*chmod 600"):
        read_keys(secret)


def test_a_secret_is_never_replaced(tmp_path: Path) -> None:
    secret, _ = write_keys(make_keys(), "pi4-a", tmp_path)
    before = secret.read_bytes()
    with pytest.raises(OutputError, match="file exists; choose another name"):
        write_keys(make_keys(), "pi4-a", tmp_path)
    assert secret.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no toml",
        'public_key = "short"\nsecret_key = "short"',
        f'public_key = "{"a" * 40}"',
        f'public_key = "{"a" * 40}"\nsecret_key = "{"b" * 40}"\nmore = 1',
        f'public_key = "{"a" * 40}"\nsecret_key = "{"b" * 39}\\u0000"',
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="is no such key"):
        read_keys(path)


def test_keys_that_are_no_pair_are_refused(tmp_path: Path) -> None:
    first, second = make_keys(), make_keys()
    for number, secret in enumerate((second.secret, "#" * 40)):
        path, _ = write_keys(KeyPair(first.public, secret), f"x{number}", tmp_path)
        with pytest.raises(UsageError, match="no pair"):
            read_keys(path)


def test_a_missing_or_binary_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't read the secret"):
        read_keys(tmp_path / "none.key")
    (tmp_path / "x.pub").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is no such key"):
        read_public_key(tmp_path / "x.pub")


def test_this_machine_s_own_key_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_keys(None) is None
    keys, second = make_keys(), make_keys()
    write_keys(keys, "edgeseg", tmp_path / "edgeseg")
    path, _ = write_keys(second, "other", tmp_path)
    assert own_keys(None) == keys
    assert own_keys(path) == second


def test_whoever_has_a_file_is_authorized(tmp_path: Path) -> None:
    first, second = make_keys(), make_keys()
    write_keys(first, "one", tmp_path)
    _, public = write_keys(second, "other", tmp_path)
    (tmp_path / "broken.pub").write_text("not a key")
    (tmp_path / "one.txt").write_text((tmp_path / "one.pub").read_text())
    assert read_authorized(tmp_path) == {first.public, second.public}
    public.unlink()
    assert read_authorized(tmp_path) == {first.public}
    assert read_authorized(tmp_path / "none") == set()


def test_slow_or_missing_encryption_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_curve()
    monkeypatch.setattr(keys_module, "_maps_sodium", lambda: False)
    check_curve()
    monkeypatch.setattr(keys_module, "SLOW_KEYPAIR_SECONDS", 0.0)
    with pytest.raises(UsageError, match="slow fallback"):
        check_curve()
    monkeypatch.setattr(zmq, "has", lambda _: False)
    with pytest.raises(UsageError, match="without CURVE"):
        check_curve()
