"""Boards with keys, from the command line: the mask is the same, and strangers are told off."""

import json
from pathlib import Path

import pytest
from keyrings import Keyring
from limits import limit_for_runs
from processes import Ran, Workers, edgeseg, one_line
from scans import write_ct

from edgeseg.bundle.bundle_file import Bundle
from edgeseg_runtime.messaging.keys import KeyPair


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    (tmp_path / "keys").mkdir()
    return Keyring(tmp_path / "keys")


def _entry(name: str, endpoint: str, keys: KeyPair | None) -> str:
    public = f'public_key = "{keys.public}"\n' if keys else ""
    return f'[[board]]\nname = "{name}"\nendpoint = "{endpoint}"\n{public}'


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return write_ct(tmp_path / "ct.nii.gz", (48, 56, 3))


def _segment(bundle: Path, scan: Path, output: Path, *words: object) -> Ran:
    return edgeseg("segment", bundle, scan, "-o", output, *words)


def test_boards_with_keys_give_the_same_mask(
    tiny_bundle: Path, base_memory: int, scan: Path, keyring: Keyring, workers: Workers
) -> None:
    """They are too small for the bundle one by one: tensors travel between them too."""
    limit = limit_for_runs(Bundle(tiny_bundle).manifest, base_memory, 2)
    entries = []
    for name in ("pi4-a", "pi4-b"):
        keys = keyring.board(name)
        started = workers.start(*keyring.flags(name), limit=limit)
        entries.append(_entry(name, started.endpoint, keys))
    folder = scan.parent
    boards, report = folder / "boards.toml", folder / "report.json"
    boards.write_text("\n".join(entries))
    plain, secret = folder / "plain.nii.gz", folder / "secret.nii.gz"
    assert _segment(tiny_bundle, scan, plain, "--local", 1).code == 0
    key = keyring.secret("coordinator")
    flags = ("--boards", boards, "--key", key)
    ran = _segment(tiny_bundle, scan, secret, *flags, "--report", report)
    assert ran.code == 0, ran
    (lane,) = json.loads(report.read_text())["lanes"]
    assert len(set(lane["pieces"].values())) == 2
    assert secret.read_bytes() == plain.read_bytes()
    profiled = edgeseg("profile", tiny_bundle, *flags, "--rounds", 1)
    assert profiled.code == 0, profiled
    assert boards.read_text().count("public_key") == 2


def test_whoever_has_no_right_key_is_told_so(
    tiny_bundle: Path, scan: Path, tmp_path: Path, keyring: Keyring, workers: Workers
) -> None:
    keys, other = keyring.board("pi4-a"), keyring.board("other")
    started = workers.start(*keyring.flags("pi4-a"))
    mask, boards = tmp_path / "mask.nii.gz", tmp_path / "boards.toml"
    right, stranger = keyring.secret("coordinator"), keyring.secret("other")
    patience = ("--patience", "1s")

    def complaint(public: KeyPair | None, *words: object) -> Ran:
        boards.write_text(_entry("pi4-a", started.endpoint, public))
        return _segment(tiny_bundle, scan, mask, "--boards", boards, *patience, *words)

    one_line(complaint(keys), 2, "pi4-a has a public_key", "edgeseg keygen")
    one_line(complaint(keys, "--key", stranger), 1, "pi4-a", "does not know this machine's key")
    one_line(complaint(other, "--key", right), 1, "pi4-a", "breaks off the handshake")
    one_line(complaint(None, "--key", right), 1, "pi4-a", "public_key")
    assert not mask.exists()
