"""The pieces of one board, loaded: interpreters to lend out, and the work done with one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle import digest_file, unpack
from edgeseg.cache import cache_folder
from edgeseg.files import atomic_path
from edgeseg.interpreter import Interpreter
from edgeseg.manifest import Piece, Port
from edgeseg.quantization import adapt
from edgeseg_runtime.executor import Arrays


@dataclass(frozen=True)
class Computed:
    """What one firing made, how long the inference took, and how long the core was busy."""

    outputs: Arrays
    seconds: float
    busy_seconds: float = 0.0


class Pool:
    """Interpreters by piece, each used by one thread at a time.

    Parameters
    ----------
    sources
        The port that makes each tensor, by tensor name: int8 values mean something only
        together with the scale of the piece that made them.
    """

    def __init__(self, sources: Mapping[str, Port]) -> None:
        self._sources = sources
        self._free: dict[str, list[Interpreter]] = {}

    @property
    def idle(self) -> frozenset[str]:
        """Pieces that have an interpreter free."""
        return frozenset(name for name, free in self._free.items() if free)

    def load(self, piece: Piece, threads: int, copies: int) -> None:
        """Load a cached piece and run it once, so that the first slice is as fast as the rest."""
        for _ in range(copies):
            interpreter = Interpreter.ready(cached_piece(piece.sha256), threads)
            self._free.setdefault(piece.name, []).append(interpreter)

    def borrow(self, piece: str) -> Interpreter:
        """Take an interpreter of the piece; one must be idle."""
        return self._free[piece].pop()

    def give_back(self, piece: str, interpreter: Interpreter) -> None:
        """Return a borrowed interpreter."""
        self._free[piece].append(interpreter)

    def made_up(self, piece: Piece) -> Arrays:
        """Make up tensors such as reach a piece."""
        return {port.tensor: _made_up(self._sources[port.tensor]) for port in piece.inputs}

    def compute(self, interpreter: Interpreter, piece: Piece, inputs: Arrays) -> Computed:
        """Run a piece on the tensors that reach it; safe in any thread."""
        arrays = [
            adapt(inputs[port.tensor], self._sources[port.tensor], port) for port in piece.inputs
        ]
        made = interpreter.run(arrays)
        names = (port.tensor for port in piece.outputs)
        return Computed(dict(zip(names, made, strict=True)), interpreter.seconds)


def _made_up(port: Port) -> NDArray[Any]:
    """Repeat 256 values: random ones would take a module, and with it memory."""
    steps = np.arange(-128, 128, dtype=np.int8)
    return np.resize(
        steps if port.dtype == "int8" else np.linspace(0, 1, 256, dtype=np.float32), port.shape
    )


def cached_piece(sha256: str) -> Path:
    """Where the TFLite file of that hash is kept on this board."""
    return cache_folder("pieces") / f"{sha256}.tflite"


def is_cached(sha256: str) -> bool:
    """Tell whether a piece is here and undamaged; a damaged one is removed."""
    path = cached_piece(sha256)
    if not path.exists():
        return False
    if digest_file(path) == sha256:
        return True
    path.unlink(missing_ok=True)
    return False


def store(piece: Piece, packed: bytes | memoryview) -> None:
    """Verify a packed piece and keep it.

    Raises
    ------
    BundleError
        If it is not what the assignment said.
    OutputError
        If it can't be written.
    """
    with atomic_path(cached_piece(piece.sha256)) as target, target.open("wb") as file:
        file.writelines(unpack(packed, piece))
