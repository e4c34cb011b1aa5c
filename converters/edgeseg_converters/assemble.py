"""From compiled pieces to what a bundle holds: manifest entries and packed bytes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from edgeseg import __version__
from edgeseg.bundle import digest, pack
from edgeseg.cost import graph_cost
from edgeseg.interpreter import engine_name
from edgeseg.manifest import Piece
from edgeseg.measure import measure_piece
from edgeseg_converters.export import Compiled
from edgeseg_converters.network import Weights
from edgeseg_converters.prune.threshold import sparsity

_WORKERS = 2


def assemble(
    compiled: Sequence[Compiled], weights: Weights, advance: Callable[..., None]
) -> tuple[tuple[Piece, ...], dict[str, bytes]]:
    """Pack and measure every piece; returns manifest entries, and packed bytes by piece name."""

    def finish(piece: Compiled) -> tuple[Piece, bytes]:
        packed = pack(piece.model)
        entry = _entry(piece, weights, packed)
        advance()
        return entry, packed

    # Both the compressor and the measuring process leave the interpreter lock alone.
    with ThreadPoolExecutor(_WORKERS) as pool:
        finished = list(pool.map(finish, compiled))
    return tuple(entry for entry, _ in finished), {piece.name: data for piece, data in finished}


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


def _entry(piece: Compiled, weights: Weights, packed: bytes) -> Piece:
    graph, measured = piece.graph, measure_piece(piece.model)
    return Piece(
        name=graph.name,
        inputs=piece.inputs,
        outputs=piece.outputs,
        layers=tuple(layer.name for layer in graph.layers),
        sha256=digest(piece.model),
        bytes=len(piece.model),
        compressed_bytes=len(packed),
        parameters=graph.parameters,
        flops=graph_cost(graph).flops,
        sparsity=sparsity(graph, weights),
        peak_memory_bytes=measured.peak_memory_bytes,
        resident_memory_bytes=measured.resident_memory_bytes,
    )
