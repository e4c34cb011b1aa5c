"""A manifest is small: what would keep a reader busy is refused, and the largest is soon shown."""

import time
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from manifests import chain_manifest
from processes import edgeseg

from edgeseg.bundle.bundle_file import MANIFEST, MAX_MANIFEST_BYTES, Bundle, write_bundle
from edgeseg.bundle.manifest import MAX_PIECES, Label, Manifest
from edgeseg.bundle.manifest_checks import parse_manifest
from edgeseg.errors import BundleError

_LABEL = {"value": 1, "name": "x" * 500, "color": "#ff8800"}
_SETTINGS = {f"setting {number}": "[bold]x[/bold]" * 30 for number in range(20_000)}


def _stated(**fields: Any) -> bytes:
    built = msgspec.to_builtins(chain_manifest([1, 2]))
    return msgspec.json.encode(built | fields)


def _of_pieces(**fields: Any) -> bytes:
    built = msgspec.to_builtins(chain_manifest([1, 2]))
    return msgspec.json.encode(built | {"pieces": [piece | fields for piece in built["pieces"]]})


@pytest.mark.parametrize(
    "content",
    [
        _stated(labels=[_LABEL] * 25_000),
        _stated(settings=_SETTINGS),
        _stated(versions=dict.fromkeys(_SETTINGS, "1")),
        _stated(decoding={"activation": "sigmoid", "channels": [1] * 2_000_000}),
        _of_pieces(layers=["x"] * 2_000_000),
        _of_pieces(outputs=[{"tensor": f"t{k}", "shape": [1, 8, 8, 1]} for k in range(100_000)]),
    ],
    ids=["labels", "settings", "versions", "channels", "layers", "ports"],
)
def test_lists_that_no_model_has_are_refused(content: bytes, tmp_path: Path) -> None:
    assert len(content) > 10**5
    start = time.process_time()
    with pytest.raises(BundleError, match="has a manifest that can't be read") as caught:
        parse_manifest(content, "bundle")
    assert time.process_time() - start < 10, "of the processor, however busy the machine is"
    assert len(str(caught.value)) < 300
    with zipfile.ZipFile(tmp_path / "long.edgeseg", "w") as archive:
        archive.writestr(MANIFEST, content + b" " * MAX_MANIFEST_BYTES)
    with pytest.raises(BundleError, match="is larger than it may be"):
        Bundle(tmp_path / "long.edgeseg")


def _largest() -> Manifest:
    """Return a manifest of as many pieces and labels as may be."""
    manifest = chain_manifest(list(range(1, MAX_PIECES + 1)))
    names = {f"setting {number}": "[b]" * 100 for number in range(256)}
    labels = [Label(value, f"{value} [b]" * 40, "#ff8800") for value in range(1, 256)]
    return msgspec.structs.replace(
        manifest, settings=dict(names), versions=names, labels=tuple(labels)
    )


def test_the_largest_manifest_is_soon_shown(tmp_path: Path) -> None:
    manifest = _largest()
    pieces = {piece.name: bytes(piece.compressed_bytes) for piece in manifest.pieces}
    write_bundle(tmp_path / "large.edgeseg", manifest, pieces)
    size = len(Bundle(tmp_path / "large.edgeseg").signed_bytes)
    assert MAX_MANIFEST_BYTES / 2 < size < MAX_MANIFEST_BYTES
    ran = edgeseg("info", tmp_path / "large.edgeseg")
    assert (ran.code, ran.err) == (0, "")
