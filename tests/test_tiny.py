"""What must work before anything else is worth looking at."""

from importlib.metadata import version
from pathlib import Path

import numpy as np

import edgeseg
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.imaging.slices import to_input, to_probabilities
from edgeseg.inference.engine import open_engine


def test_the_version_is_the_packages() -> None:
    assert edgeseg.__version__ == version("edgeseg")


def test_an_image_passes_through_the_pieces(tiny_bundle: Path) -> None:
    """The thin path without sockets: bundle, pieces in order, probabilities."""
    bundle = Bundle(tiny_bundle)
    grey = np.full(bundle.manifest.preprocessing.size, 128, np.uint8)
    made = {bundle.manifest.input.tensor: to_input(grey, bundle.manifest.preprocessing)}
    for piece in bundle.manifest.pieces:
        outputs = open_engine(bundle.piece(piece)).run([made[p.tensor] for p in piece.inputs])
        made |= {p.tensor: array for p, array in zip(piece.outputs, outputs, strict=True)}
    probabilities = to_probabilities(made[bundle.manifest.output.tensor])
    assert probabilities.shape == (64, 64, 3)
    assert np.ptp(probabilities) > 0
