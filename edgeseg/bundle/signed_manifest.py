"""A manifest and its signature on their way to a board that takes signed bundles only."""

import msgspec
import zstandard

from edgeseg.bundle.bundle_file import MAX_MANIFEST_BYTES, Bundle
from edgeseg.bundle.manifest import Manifest
from edgeseg.bundle.manifest_checks import parse_manifest
from edgeseg.bundle.signature import verify_manifest
from edgeseg.errors import BundleError

_ORIGIN = "the bundle"


class SignedManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A manifest as it stands in its bundle, as a zstd frame, and what signs it."""

    packed: bytes
    signature: bytes


def signed_manifest(bundle: Bundle) -> SignedManifest | None:
    """Return the manifest of a bundle with its signature; None if it has none.

    Raises
    ------
    BundleError
        If the bundle can't be read.
    """
    signature = bundle.signature
    if signature is None:
        return None
    return SignedManifest(zstandard.compress(bundle.signed_bytes), signature)


def verified_manifest(signed: SignedManifest, public: bytes) -> Manifest:
    """Return a manifest that the owner of a key has signed.

    Raises
    ------
    BundleError
        If somebody else has, it was changed since, it is too large, or it is no manifest.
    UsageError
        If the extra is not installed.
    """
    data = _unpack(signed.packed)
    verify_manifest(data, signed.signature, public, _ORIGIN)
    return parse_manifest(data, _ORIGIN)


def _unpack(packed: bytes) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_MANIFEST_BYTES)
    try:
        with decompressor.stream_reader(packed) as reader:
            data = reader.read(MAX_MANIFEST_BYTES + 1)
    except zstandard.ZstdError as error:
        raise BundleError(f"{_ORIGIN} has a manifest that can't be read ({error})") from None
    if len(data) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{_ORIGIN} has a manifest that is larger than a board takes")
    return data
