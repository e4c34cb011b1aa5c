"""Run as ``run_pieces.py BUNDLE OUTPUTS.npz``: every piece on noise of its own, in this engine."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.inference.engine import open_engine
from edgeseg.inference.engine_protocol import PortDetail


def main(bundle: Path, outputs: Path) -> None:
    """Save the outputs of every piece as ``PIECE.NUMBER``."""
    opened = Bundle(bundle)
    noise = np.random.default_rng(6)
    made: dict[str, NDArray[Any]] = {}
    for piece in opened.manifest.pieces:
        interpreter = open_engine(opened.piece(piece))
        arrays = interpreter.run([_draw(noise, port) for port in interpreter.inputs])
        made |= {f"{piece.name}.{number}": array for number, array in enumerate(arrays)}
    np.savez(outputs, **made)


def _draw(noise: np.random.Generator, port: PortDetail) -> NDArray[Any]:
    if port.dtype == "int8":
        return noise.integers(-128, 128, port.shape, np.int8)
    return noise.random(port.shape, np.float32)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
