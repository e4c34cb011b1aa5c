"""A signature holds as long as nothing of the bundle changes, and costs the bundle no byte."""

import builtins
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from processes import edgeseg, one_line
from scans import write_ct

from edgeseg.bundle.bundle_file import MANIFEST, SIGNATURE, Bundle
from edgeseg.bundle.signature import (
    SigningKeys,
    make_signing_keys,
    read_signing_keys,
    read_verify_key,
    sign_bundle,
    signer,
    verify_bundle,
    write_signing_keys,
)
from edgeseg.errors import BundleError, OutputError, UsageError

pytest.importorskip("nacl")


@pytest.fixture
def bundle(tmp_path: Path, tiny_bundle: Path) -> Path:
    copy = tmp_path / "tiny.edgeseg"
    copy.write_bytes(tiny_bundle.read_bytes())
    return copy


@pytest.fixture(scope="module")
def keys() -> SigningKeys:
    return make_signing_keys()


def _entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _rewrite(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def test_what_is_signed_is_verified(bundle: Path, keys: SigningKeys) -> None:
    before = _entries(bundle)
    assert signer(Bundle(bundle)) is None
    sign_bundle(Bundle(bundle), keys)
    after = _entries(bundle)
    assert len(after.pop(SIGNATURE)) == 96
    assert after == before
    assert signer(Bundle(bundle)) == keys.public.hex()
    verify_bundle(Bundle(bundle), keys.public)


def test_signing_again_replaces_the_signature(bundle: Path, keys: SigningKeys) -> None:
    sign_bundle(Bundle(bundle), keys)
    once = bundle.read_bytes()
    sign_bundle(Bundle(bundle), keys)
    assert bundle.read_bytes() == once
    other = make_signing_keys()
    sign_bundle(Bundle(bundle), other)
    verify_bundle(Bundle(bundle), other.public)
    with pytest.raises(BundleError, match="signed by another key"):
        verify_bundle(Bundle(bundle), keys.public)


def test_a_bundle_without_signature_is_no_signed_one(bundle: Path, keys: SigningKeys) -> None:
    with pytest.raises(BundleError, match="is not signed; sign it with edgeseg sign"):
        verify_bundle(Bundle(bundle), keys.public)


def test_a_changed_manifest_is_noticed(bundle: Path, keys: SigningKeys) -> None:
    sign_bundle(Bundle(bundle), keys)
    entries = _entries(bundle)
    manifest = json.loads(entries[MANIFEST])
    manifest["preprocessing"]["window"] = [0.0, 1.0]
    _rewrite(bundle, entries | {MANIFEST: json.dumps(manifest).encode()})
    with pytest.raises(BundleError, match="was changed after it was signed"):
        verify_bundle(Bundle(bundle), keys.public)


def test_another_piece_is_noticed(bundle: Path, keys: SigningKeys) -> None:
    sign_bundle(Bundle(bundle), keys)
    entries = _entries(bundle)
    first, second = (name for name in list(entries)[1:3])
    _rewrite(bundle, entries | {first: entries[second]})
    opened = Bundle(bundle)
    verify_bundle(opened, keys.public)
    with pytest.raises(BundleError):
        opened.verify()


@pytest.mark.parametrize("signature", [b"", bytes(95), bytes(96), bytes(97)])
def test_a_forged_signature_is_noticed(bundle: Path, keys: SigningKeys, signature: bytes) -> None:
    forged = keys.public + signature[32:] if len(signature) == 96 else signature
    _rewrite(bundle, _entries(bundle) | {SIGNATURE: forged})
    with pytest.raises(BundleError, match=r"wrong size|was changed"):
        verify_bundle(Bundle(bundle), keys.public)


def test_keys_are_kept_as_secrets_are(tmp_path: Path, keys: SigningKeys) -> None:
    secret, public = write_signing_keys(keys, "lab", tmp_path)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert read_signing_keys(secret) == keys
    assert read_verify_key(public) == keys.public
    assert keys.secret.hex() not in public.read_text() + repr(keys)
    with pytest.raises(OutputError, match="choose another name"):
        write_signing_keys(keys, "lab", tmp_path)
    secret.chmod(0o644)
    with pytest.raises(UsageError, match="others may read"):
        read_signing_keys(secret)
    with pytest.raises(UsageError, match="is no such key"):
        read_verify_key(secret)


def test_keys_that_are_no_pair_are_refused(bundle: Path, keys: SigningKeys) -> None:
    with pytest.raises(UsageError, match="no pair"):
        sign_bundle(Bundle(bundle), SigningKeys(make_signing_keys().public, keys.secret))


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    find = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("nacl"):
            raise ImportError(name)
        return find(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match=r"pip install 'edgeseg\[sign\]'"):
        make_signing_keys()


def test_from_the_command_line(bundle: Path, tmp_path: Path) -> None:
    made = edgeseg("keygen", "lab", "--folder", tmp_path, "--signing")
    assert made.code == 0, made
    secret, public = tmp_path / "lab.sign", tmp_path / "lab.verify"
    scan, mask = write_ct(tmp_path / "ct.nii.gz", (48, 56, 1)), tmp_path / "mask.nii.gz"
    segment = ("segment", bundle, scan, "-o", mask, "--local", 1, "--signed-by", public)
    one_line(edgeseg("verify", bundle, "--key", public), 1, "is not signed")
    one_line(edgeseg(*segment), 1, "is not signed")
    assert edgeseg("sign", bundle, "--key", secret).code == 0
    assert f"signed    by {read_verify_key(public).hex()}" in edgeseg("info", bundle).out
    assert "is signed by" in edgeseg("verify", bundle, "--key", public).out
    assert edgeseg(*segment).code == 0
    assert mask.exists()
