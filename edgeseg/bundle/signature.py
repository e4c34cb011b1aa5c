"""Signed bundles: Ed25519 over the manifest, which holds the SHA-256 of every piece."""

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Annotated, TypeAlias

import msgspec

from edgeseg.bundle.bundle_file import Bundle, write_signed
from edgeseg.errors import BundleError, UsageError
from edgeseg.files.key_files import read_public_file, read_secret_file, write_key_files

KEY_BYTES, SIGNATURE_BYTES = 32, 64
_PURPOSE = b"edgeseg bundle manifest\0"
"""What is signed begins with this, so that no signature for a bundle is one for anything else."""

HexKey: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_REMEDY = "see edgeseg keygen --signing"


@dataclass(frozen=True)
class SigningKeys:
    """An Ed25519 key pair, 32 bytes each."""

    public: bytes
    secret: bytes = field(repr=False)


class _SigningKeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    verify_key: HexKey
    signing_key: HexKey


class _VerifyKeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    verify_key: HexKey


def make_signing_keys() -> SigningKeys:
    """Make a key pair.

    Raises
    ------
    UsageError
        If the extra is not installed.
    """
    key = _nacl().SigningKey.generate()
    return SigningKeys(bytes(key.verify_key), bytes(key))


def write_signing_keys(keys: SigningKeys, name: str, folder: Path) -> tuple[Path, Path]:
    """Write ``NAME.sign``, for its owner alone, and ``NAME.verify``; return their paths.

    Raises
    ------
    OutputError
        If they can't be written, or a key of that name is there: none is ever replaced.
    """
    secret, public = folder / f"{name}.sign", folder / f"{name}.verify"
    verify = f'verify_key = "{keys.public.hex()}"\n'
    note = f"# The key with which {name} signs bundles: it stays on this machine.\n"
    write_key_files(
        secret,
        f'{note}{verify}signing_key = "{keys.secret.hex()}"\n',
        public,
        f"# The key that verifies what {name} has signed.\n{verify}",
    )
    return secret, public


def read_signing_keys(path: Path) -> SigningKeys:
    """Read a key pair from a secret file.

    Raises
    ------
    UsageError
        If the file is missing, no signing key, or can be read by others than its owner.
    """
    file = read_secret_file(path, _SigningKeyFile, _REMEDY)
    return SigningKeys(bytes.fromhex(file.verify_key), bytes.fromhex(file.signing_key))


def read_verify_key(path: Path) -> bytes:
    """Read a public key, 32 bytes.

    Raises
    ------
    UsageError
        If the file is missing or no such key.
    """
    return bytes.fromhex(read_public_file(path, _VerifyKeyFile, _REMEDY).verify_key)


def sign_bundle(bundle: Bundle, keys: SigningKeys) -> None:
    """Sign a bundle, in place of an earlier signature; all else in it stays the same.

    Raises
    ------
    BundleError
        If the bundle is damaged.
    OutputError
        If it can't be written; it stays as it was.
    UsageError
        If the extra is not installed, or the two keys are no pair.
    """
    signing = _nacl().SigningKey(keys.secret)
    if bytes(signing.verify_key) != keys.public:
        raise UsageError("the two keys in that file are no pair; make new ones")
    signature = signing.sign(_PURPOSE + bundle.signed_bytes).signature
    write_signed(bundle.path, bundle, keys.public + signature)


def signer(bundle: Bundle) -> str | None:
    """Return the public key, in hexadecimal, that a bundle claims to be signed by.

    Raises
    ------
    BundleError
        If there is a signature of a wrong size.
    """
    signature = bundle.signature
    return None if signature is None else _claimed_key(signature, str(bundle.path)).hex()


def verify_bundle(bundle: Bundle, public: bytes) -> None:
    """Check that a bundle is signed by the owner of a key; pieces are checked when they are read.

    Raises
    ------
    BundleError
        If nobody has, somebody else, or the manifest was changed since.
    UsageError
        If the extra is not installed.
    """
    signature = bundle.signature
    if signature is None:
        raise BundleError(f"{bundle.path} is not signed; sign it with edgeseg sign")
    verify_manifest(bundle.signed_bytes, signature, public, str(bundle.path))


def verify_manifest(data: bytes, signature: bytes, public: bytes, origin: str) -> None:
    """Check that a manifest is signed by the owner of a key.

    Parameters
    ----------
    data
        The manifest as it stands in its bundle.
    signature
        What the bundle has beside it: the key that is claimed, and the signature itself.
    public
        The key.
    origin
        Names the bundle in errors.

    Raises
    ------
    BundleError
        If somebody else has signed it, or it was changed since.
    UsageError
        If the extra is not installed.
    """
    claimed = _claimed_key(signature, origin)
    if claimed != public:
        raise BundleError(f"{origin} is signed by another key, {claimed.hex()[:16]}...")
    nacl = _nacl()
    try:
        nacl.VerifyKey(public).verify(_PURPOSE + data, signature[KEY_BYTES:])
    except nacl.exc.BadSignatureError:
        raise BundleError(f"{origin} was changed after it was signed; get it anew") from None


def require_extra() -> None:
    """Make sure that signatures can be checked here.

    Raises
    ------
    UsageError
        If the extra is not installed.
    """
    _nacl()


def _claimed_key(signature: bytes, origin: str) -> bytes:
    if len(signature) != KEY_BYTES + SIGNATURE_BYTES:
        raise BundleError(f"{origin} has a signature of a wrong size; sign it again")
    return signature[:KEY_BYTES]


def _nacl() -> ModuleType:
    try:
        import nacl.signing
    except ImportError:
        raise UsageError(
            "signatures need the extra 'sign'; install it with: pip install 'edgeseg[sign]'"
        ) from None
    return nacl.signing
