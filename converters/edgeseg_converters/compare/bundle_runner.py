"""A bundle run in one process on one thread, all its pieces loaded: image in, probabilities out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest, Port
from edgeseg.inference.banded import Runner, runner_of
from edgeseg.inference.engine import open_engine
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compare.accuracy import SliceSegmenter
from edgeseg_converters.tflite.chain import LiveTensors, Value, advance, needed_after


@dataclass(frozen=True)
class LoadedPieces:
    """The pieces of a manifest, loaded, in order; not for two threads at once.

    One slice is in flight at a time, and a tensor is dropped after its last reader, so memory
    does not grow with the number of slices.
    """

    manifest: Manifest
    runners: tuple[Runner, ...]

    def __call__(self, image: ModelInput) -> NDArray[np.float32]:
        """Return the probabilities (1, H, W, labels) of an image (1, H, W, C)."""
        entering, output = self.manifest.input, self.manifest.output
        alive: LiveTensors = {
            entering.tensor: Value(Port(entering.tensor, entering.shape), image),
        }
        pieces = self.manifest.pieces
        for index, (piece, runner) in enumerate(zip(pieces, self.runners, strict=True)):
            alive = advance(piece, runner, alive, needed_after(pieces, index))
        return alive[output.tensor].at(Port(output.tensor, output.shape))


def load_pieces(bundle: Bundle) -> LoadedPieces:
    """Unpack, verify and load every piece of a bundle.

    Raises
    ------
    BundleError
        If a piece is damaged.
    EdgesegError
        If LiteRT refuses a piece.
    """
    manifest = bundle.manifest
    return LoadedPieces(
        manifest,
        tuple(
            runner_of(piece, open_engine(bundle.piece(piece), piece.file_format))
            for piece in manifest.pieces
        ),
    )


def segmenter_of(bundle: Bundle) -> SliceSegmenter:
    """Load a bundle as one network, with its own preprocessing and decoding.

    Raises
    ------
    BundleError, EdgesegError
        As for :func:`load_pieces`.
    """
    manifest = bundle.manifest
    return SliceSegmenter(load_pieces(bundle), manifest.preprocessing, manifest.decoding)
