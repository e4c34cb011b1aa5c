"""Bundles changed at random: bytes of the file, or of one entry with its checksums put right."""

import io
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from manifests import chain_manifest

from edgeseg.bundle.bundle_file import MANIFEST, SIGNATURE, digest, pack, write_bundle

Basic = Callable[[bytes, random.Random], bytes]
"""Changes some bytes, be they what they may."""

_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_TEXT = re.compile(rb'"[^"]*"')
_NASTY_NUMBERS = (b"-1", b"0", b"1e999", b"9" * 30, b"2147483648", b"1.5", b"null", b"[]", b"NaN")
_NASTY_TEXTS = (b'""', b'"../../x"', b'"\\u0000"', b'"' + b"a" * 9999 + b'"', b"[" * 500, b"{}")


def seeds(folder: Path) -> list[bytes]:
    """Return sound bundles to begin with: plain, signed, and of many pieces."""
    bundles = []
    for count in (1, 2, 12):
        manifest = chain_manifest([1] * count)
        models = {piece.name: random.Random(piece.name).randbytes(60) for piece in manifest.pieces}
        pieces = tuple(
            msgspec.structs.replace(
                piece,
                sha256=digest(models[piece.name]),
                bytes=60,
                compressed_bytes=len(pack(models[piece.name])),
            )
            for piece in manifest.pieces
        )
        path = folder / "seed.edgeseg"
        packed = {name: pack(model) for name, model in models.items()}
        write_bundle(path, msgspec.structs.replace(manifest, pieces=pieces), packed)
        bundles.append(path.read_bytes())
    return [*bundles, _rezip(_entries(bundles[1]) | {SIGNATURE: bytes(96)})]


def mutate(data: bytes, rng: random.Random, basic: Basic) -> bytes:
    """Change a bundle; half of the time behind checksums that are right again."""
    if rng.random() < 0.4:
        return basic(data, rng)
    try:
        entries = _entries(data)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, KeyError):
        return basic(data, rng)
    if not entries:
        return basic(data, rng)
    name = MANIFEST if rng.random() < 0.6 and MANIFEST in entries else None
    name = name or rng.choice(list(entries))
    draw = rng.random()
    if draw < 0.1:
        entries[rng.choice(["../x", "/x", "pieces/x", name + "x"])] = entries.pop(name)
    elif draw < 0.5 and name == MANIFEST:
        entries[name] = _reword(entries[name], rng)
    else:
        entries[name] = basic(entries[name], rng)
    return _rezip(entries, zipfile.ZIP_DEFLATED if draw > 0.97 else zipfile.ZIP_STORED)


def flip(data: bytes, rng: random.Random) -> bytes:
    """Change, cut or repeat some bytes: what needs no fuzzer."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(changed) + 1)
        end = min(len(changed), start + rng.randint(0, 8))
        kind = rng.randrange(4)
        if kind == 0:
            del changed[start:end]
        elif kind == 1:
            changed[start:start] = changed[start:end] * rng.randint(1, 4)
        else:
            changed[start:end] = rng.randbytes(end - start)
    return bytes(changed)


def _reword(text: bytes, rng: random.Random) -> bytes:
    pattern, nasty = rng.choice([(_NUMBER, _NASTY_NUMBERS), (_TEXT, _NASTY_TEXTS)])
    matches = list(pattern.finditer(text))
    if not matches:
        return text
    match = rng.choice(matches)
    return text[: match.start()] + rng.choice(nasty) + text[match.end() :]


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            entry.filename: archive.read(entry)
            for entry in archive.infolist()
            if entry.file_size < 2**20 and entry.compress_type == zipfile.ZIP_STORED
        }


def _rezip(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
    return target.getvalue()
