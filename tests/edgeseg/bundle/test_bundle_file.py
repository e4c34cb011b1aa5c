"""A bundle comes back as it was written; what was changed on the way is noticed."""

import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from manifests import chain_manifest, make_piece, manifests

from edgeseg.bundle import bundle_file as bundle_module
from edgeseg.bundle.bundle_file import (
    MANIFEST,
    Bundle,
    digest,
    digest_file,
    pack,
    unpack,
    write_bundle,
)
from edgeseg.bundle.manifest import FORMAT, Manifest, Piece, Port
from edgeseg.bundle.manifest_checks import contradiction, parse_manifest
from edgeseg.errors import BundleError, OutputError

_MODELS = {f"piece_{n:02d}": random.Random(n).randbytes(400) * 3 for n in range(2)}
_ENTRY = "pieces/piece_00.tflite.zst"


def _manifest() -> Manifest:
    image, middle, end = (
        Port("image", (1, 8, 8, 1)),
        Port("middle", (1, 8, 8, 2), "int8", 0.5, -3),
        Port("end", (1, 8, 8, 1)),
    )
    pieces = [make_piece(0, [image], [middle]), make_piece(1, [middle], [end])]
    return msgspec.structs.replace(
        chain_manifest([1, 1]), pieces=tuple(_with_model(p, _MODELS[p.name]) for p in pieces)
    )


def _with_model(piece: Piece, model: bytes) -> Piece:
    return msgspec.structs.replace(
        piece, sha256=digest(model), bytes=len(model), compressed_bytes=len(pack(model))
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "two.edgeseg"
    write_bundle(path, _manifest(), {name: pack(model) for name, model in _MODELS.items()})
    return path


def _read_all(path: Path) -> None:
    opened = Bundle(path)
    for piece in opened.manifest.pieces:
        opened.piece(piece)


def test_what_was_written_is_read(written: Path) -> None:
    opened = Bundle(written)
    assert opened.manifest == _manifest()
    assert opened.manifest.input.tensor == "image"
    assert opened.manifest.output.tensor == "end"
    for piece in opened.manifest.pieces:
        assert opened.piece(piece) == _MODELS[piece.name]
        assert opened.packed_piece(piece) == pack(_MODELS[piece.name])


def test_the_same_input_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.edgeseg"
    write_bundle(again, _manifest(), {name: pack(model) for name, model in _MODELS.items()})
    assert again.read_bytes() == written.read_bytes()
    assert digest_file(again) == digest(written.read_bytes())


@given(manifests())
def test_a_manifest_survives_json(manifest: Manifest) -> None:
    assert parse_manifest(msgspec.json.encode(manifest), "here") == manifest


def test_a_flipped_bit_is_noticed_or_harmless(written: Path) -> None:
    """Whatever byte changes: the pieces are what they were, or there is one error."""
    content = written.read_bytes()
    changed = written.with_name("changed.edgeseg")
    noticed = 0
    for position in range(0, len(content), 2):
        bit = 1 << (position // 2 % 8)
        flipped = bytes([content[position] ^ bit])
        changed.write_bytes(content[:position] + flipped + content[position + 1 :])
        noticed += _is_refused(changed)
    assert noticed > len(content) // 4


def _is_refused(path: Path) -> bool:
    try:
        opened = Bundle(path)
        opened.check()
        models = [opened.piece(piece) for piece in opened.manifest.pieces]
    except BundleError:
        return True
    assert models == list(_MODELS.values())
    return False


def test_any_byte_of_a_piece_counts(written: Path) -> None:
    with zipfile.ZipFile(written) as archive:
        packed = archive.read(_ENTRY)
    start = written.read_bytes().index(packed)
    for position in range(start, start + len(packed), 7):
        content = bytearray(written.read_bytes())
        content[position] ^= 0xFF
        changed = written.with_name("changed.edgeseg")
        changed.write_bytes(content)
        with pytest.raises(BundleError, match="convert the model again"):
            _read_all(changed)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(written: Path, share: float) -> None:
    content = written.read_bytes()
    written.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BundleError, match=str(written)):
        _read_all(written)


def test_a_foreign_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.edgeseg"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(BundleError, match=r"is no bundle: it has no manifest\.json"):
        Bundle(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.edgeseg"
    path.write_text("not a bundle")
    with pytest.raises(BundleError, match="is no bundle or is damaged"):
        Bundle(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"does not exist; give a \.edgeseg file"):
        Bundle(tmp_path / "none.edgeseg")
    with pytest.raises(BundleError, match="can't be read"):
        Bundle(tmp_path)


def _rewritten(written: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Copy the bundle with another manifest."""
    with zipfile.ZipFile(written) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries[MANIFEST])
    change(manifest)
    entries[MANIFEST] = json.dumps(manifest).encode()
    path = written.with_name("rewritten.edgeseg")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_a_newer_format_asks_for_an_upgrade(written: Path) -> None:
    """Even where the newer manifest has fields that nobody here knows."""

    def newer(manifest: dict[str, Any]) -> None:
        manifest |= {"format": FORMAT + 1, "pieces": "elsewhere"}

    with pytest.raises(
        BundleError, match=rf"format {FORMAT + 1}, this edgeseg reads up to {FORMAT}; upgrade"
    ):
        Bundle(_rewritten(written, newer))


_NESTED: Any = []
for _ in range(90):
    _NESTED = [_NESTED]
_ChangeAt = tuple[tuple[str | int, ...], Any]
_WRONG: dict[str, _ChangeAt] = {
    "no pieces": (("pieces",), []),
    "piece without outputs": (("pieces", 1, "outputs"), []),
    "piece without inputs": (("pieces", 1, "inputs"), []),
    "name with a path": (("pieces", 0, "name"), "../../etc"),
    "name with a line break": (("pieces", 0, "name"), "piece_00\n"),
    "same name twice": (("pieces", 0, "name"), "piece_01"),
    "hash that is a path": (("pieces", 0, "sha256"), "../" + "0" * 61),
    "negative size": (("pieces", 0, "bytes"), -1),
    "size beyond any piece": (("pieces", 0, "bytes"), 2**40),
    "packed size beyond any piece": (("pieces", 0, "compressed_bytes"), 2**41),
    "FLOPs beyond any number": (("pieces", 0, "flops"), 10**400),
    "tensor beyond any memory": (("pieces", 0, "outputs", 0, "shape"), [1, 2**16, 2**16, 1]),
    "tensor of nine axes": (("pieces", 0, "outputs", 0, "shape"), [1] * 9),
    "tensor without axes": (("pieces", 0, "outputs", 0, "shape"), []),
    "name that steers a terminal": (("labels", 0, "name"), "kidney\x1b[2J"),
    "name without end": (("model_name",), "n" * 10_000),
    "unknown field, deep": (("surprise",), _NESTED),
    "size in words": (("pieces", 0, "bytes"), "many"),
    "negative FLOPs": (("pieces", 0, "flops"), -5),
    "tensor from nowhere": (("pieces", 1, "inputs", 0, "tensor"), "elsewhere"),
    "tensor of another shape": (("pieces", 1, "inputs", 0, "shape"), [1, 8, 8, 3]),
    "tensor made twice": (("pieces", 1, "outputs", 0, "tensor"), "image"),
    "empty tensor": (("pieces", 0, "outputs", 0, "shape"), [1, 0, 8, 2]),
    "int8 without scale": (("pieces", 0, "outputs", 0, "scale"), None),
    "int8 with scale zero": (("pieces", 0, "outputs", 0, "scale"), 0.0),
    "unknown type": (("pieces", 0, "outputs", 0, "dtype"), "complex64"),
    "empty window": (("preprocessing", "window"), [5.0, 5.0]),
    "size unlike the image": (("preprocessing", "size"), [16, 16]),
    "negative spacing": (("preprocessing", "spacing_mm"), -1.0),
    "more channels than labels": (("decoding", "channels"), [1, 1]),
    "label without entry": (("decoding", "channels"), [2]),
    "label beyond a byte": (("labels", 0, "value"), 256),
    "colour with markup": (("labels", 0, "color"), "[/red]"),
    "unknown field": (("surprise",), 1),
    "format in words": (("format",), "one"),
}


@pytest.mark.parametrize("wrong", _WRONG)
def test_a_manifest_that_makes_no_sense_is_refused(written: Path, wrong: str) -> None:
    (*way, last), value = _WRONG[wrong]

    def spoil(manifest: Any) -> None:
        for step in way:
            manifest = manifest[step]
        manifest[last] = value

    with pytest.raises(BundleError, match="manifest"):
        Bundle(_rewritten(written, spoil))


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000, b'{"format":1e400}']
)
def test_a_manifest_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(BundleError, match="here has a manifest that can't be read"):
        parse_manifest(text, "here")


def test_a_check_reads_every_piece(written: Path) -> None:
    opened = Bundle(written)
    opened.check()
    content = bytearray(written.read_bytes())
    content[content.rindex(pack(_MODELS["piece_01"])) + 50] ^= 1
    written.write_bytes(content)
    with pytest.raises(BundleError, match=r"is damaged.*convert the model again"):
        opened.check()


def test_a_missing_piece_is_noticed(written: Path) -> None:
    opened = Bundle(written)
    absent = msgspec.structs.replace(opened.manifest.pieces[0], name="absent")
    with pytest.raises(BundleError, match=r"it has no pieces/absent\.tflite\.zst"):
        opened.piece(absent)


def test_no_more_is_decompressed_than_the_manifest_says() -> None:
    """A bomb stops at the stated size, whatever its own frame states."""
    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    piece = _with_model(make_piece(0, [], []), b"x" * 1000)
    sizes: list[int] = []
    with pytest.raises(BundleError, match="does not match"):
        sizes.extend(map(len, unpack(bomb, piece)))
    assert sum(sizes) <= piece.bytes


def test_a_frame_that_wants_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    greedy = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = greedy.compress(b"x" * 1000) + greedy.flush()
    with pytest.raises(BundleError, match="can't be decompressed"):
        list(unpack(packed, _with_model(make_piece(0, [], []), b"x" * 1000)))


def test_a_large_piece_packs_within_that_memory() -> None:
    model = random.Random(0).randbytes(2**20) * 24
    piece = _with_model(make_piece(0, [], []), model)
    assert b"".join(unpack(pack(model), piece)) == model


def test_a_piece_shorter_than_stated_is_noticed() -> None:
    piece = _with_model(make_piece(0, [], []), b"x" * 1000)
    for packed in (pack(b"x" * 999), b"", b"garbage", pack(b"x" * 1000)[:-1]):
        with pytest.raises(BundleError, match="piece_00"):
            list(unpack(packed, piece))


def test_an_entry_larger_than_it_may_be_is_not_read(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "MAX_MANIFEST_BYTES", 100)
    with pytest.raises(BundleError, match="larger than it may be"):
        Bundle(written)


def test_an_encrypted_archive_is_refused(written: Path) -> None:
    """The flag alone is enough to make :mod:`zipfile` ask for a password."""
    content = bytearray(written.read_bytes())
    central = content.index(b"PK\x01\x02")
    struct.pack_into("<H", content, central + 8, 1)
    written.write_bytes(content)
    with pytest.raises(BundleError, match="is no bundle or is damaged"):
        Bundle(written)


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create its folder first"):
        write_bundle(tmp_path / "none" / "a.edgeseg", chain_manifest([1, 1]), {})


@given(manifests())
def test_random_dataflows_do_not_contradict_themselves(manifest: Manifest) -> None:
    assert contradiction(manifest) is None
