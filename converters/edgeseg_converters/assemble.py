"""Packs and measures compiled pieces: the entries of a manifest, and packed bytes."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec

from edgeseg import __version__
from edgeseg.bundle.bundle_file import digest, pack
from edgeseg.bundle.manifest import Piece
from edgeseg.inference.engine import engine_name
from edgeseg.inference.measure import Measurement, measure_piece
from edgeseg.progress import Advance
from edgeseg_converters.compress.prune.kernels import sparsity
from edgeseg_converters.network import Weights
from edgeseg_converters.tflite.export import Compiled

_WORKERS = 2


@dataclass(frozen=True)
class Assembled:
    """Entries of the manifest, packed pieces by name, and measured memory and time."""

    pieces: tuple[Piece, ...]
    packed: Mapping[str, bytes]
    measurements: tuple[Measurement, ...]


def assemble(compiled: Sequence[Compiled], weights: Weights, advance: Advance) -> Assembled:
    """Pack and measure every piece.

    Parameters
    ----------
    compiled
        The pieces, in order.
    weights
        Of the network that they were cut from, for their sparsity.
    advance
        Told of each piece that is measured.
    """
    with ThreadPoolExecutor(_WORKERS) as pool:
        packed = list(pool.map(lambda piece: pack(piece.model), compiled))
    measurements, entries = [], []
    # One piece at a time and nothing beside it, so that times are those of the piece alone.
    for piece, data in zip(compiled, packed, strict=True):
        measurement = _over_runs(measure_piece(piece.model), piece.runs)
        measurements.append(measurement)
        entries.append(_entry(piece, weights, data, measurement))
        advance(note="measuring pieces")
    names = (entry.name for entry in entries)
    by_name = dict(zip(names, packed, strict=True))
    return Assembled(tuple(entries), by_name, tuple(measurements))


def hash_model(path: Path) -> str:
    """Return the SHA-256 of a model file, or of the names and contents of a model folder."""
    if path.is_file():
        return digest(path.read_bytes())
    total = sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\n".encode())
        total.update(digest(file.read_bytes()).encode())
    return total.hexdigest()


def compiler_versions() -> dict[str, str]:
    """Return the versions of what shapes a bundle's bytes."""
    packages = ("tensorflow", "keras", "zstandard")
    return {
        "edgeseg": __version__,
        **{package: version(package) for package in packages},
        "engine": engine_name(),
    }


def _entry(piece: Compiled, weights: Weights, packed: bytes, measured: Measurement) -> Piece:
    graph = piece.graph
    return Piece(
        name=graph.name,
        inputs=piece.inputs,
        outputs=piece.outputs,
        layers=tuple(layer.name for layer in graph.layers),
        sha256=digest(piece.model),
        bytes=len(piece.model),
        compressed_bytes=len(packed),
        parameters=graph.parameters,
        flops=piece.flops,
        sparsity=sparsity(graph, weights),
        peak_memory_bytes=measured.peak_memory_bytes,
        resident_memory_bytes=measured.resident_memory_bytes,
        bands=piece.bands,
    )


def _over_runs(measured: Measurement, runs: int) -> Measurement:
    """Return the times of a slice that takes several runs of a piece, measured in one run."""
    more_ms = (runs - 1) * measured.steady_ms
    return msgspec.structs.replace(
        measured, first_ms=measured.first_ms + more_ms, steady_ms=measured.steady_ms + more_ms
    )
