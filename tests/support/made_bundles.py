"""Bundles of pieces that were written field by field: no TensorFlow, and what no compiler makes."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from made_pieces import IMAGE, SIDE
from manifests import make_piece

from edgeseg.bundle.bundle_file import Bundle, digest, pack, write_bundle
from edgeseg.bundle.manifest import FORMAT, Decoding, Label, Manifest, Port, Preprocessing

PEAK = 6 * 2**20
"""More than LiteRT takes for any of them, but for a hungry one."""


def made_bundle(path: Path, models: Sequence[bytes], peak: int = PEAK) -> Bundle:
    """Write a chain of pieces, each from an image to an image of its size."""
    ports = [Port("image" if n == 0 else f"t{n}", IMAGE) for n in range(len(models) + 1)]
    pieces = tuple(
        msgspec.structs.replace(
            make_piece(number, [ports[number]], [ports[number + 1]], peak=peak),
            sha256=digest(model),
            bytes=len(model),
            compressed_bytes=len(pack(model)),
        )
        for number, model in enumerate(models)
    )
    manifest = Manifest(
        format=FORMAT,
        model_name="made",
        model_sha256="0" * 64,
        preprocessing=Preprocessing((-100.0, 300.0), (SIDE, SIDE)),
        labels=(Label(1, "kidney", "#ff8800"),),
        decoding=Decoding("sigmoid", (1,)),
        pieces=pieces,
        settings={},
        versions={"edgeseg": "0"},
    )
    packed = {piece.name: pack(model) for piece, model in zip(pieces, models, strict=True)}
    write_bundle(path, manifest, packed)
    return Bundle(path)
