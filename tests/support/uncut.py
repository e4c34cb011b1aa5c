"""What a model computes in one piece, without workers: what every placement must give."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.imaging.levels import Grey, to_input
from edgeseg.imaging.slices import to_probabilities
from edgeseg.inference.engine import open_engine


def uncut_probabilities(bundle: Path, greys: Iterable[Grey]) -> list[NDArray[np.uint8]]:
    """Return the probabilities (H, W, channels) of images (H, W) by a bundle of one piece."""
    opened = Bundle(bundle)
    (piece,) = opened.manifest.pieces
    interpreter = open_engine(opened.piece(piece))
    inputs = (to_input(grey, opened.manifest.preprocessing) for grey in greys)
    return [to_probabilities(interpreter.run([array])[0]) for array in inputs]
