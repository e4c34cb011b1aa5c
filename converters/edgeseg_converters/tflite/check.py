"""Compares the uncut model with its chained pieces, in every conversion."""

from collections.abc import Sequence

import msgspec
import numpy as np

from edgeseg.bundle.manifest import Decoding, Preprocessing
from edgeseg.errors import EdgesegError
from edgeseg.imaging.slices import Mask, SliceGeometry, to_native, to_probabilities
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import Compiled


class Check(msgspec.Struct, frozen=True):
    """How far the chained pieces are from the uncut float32 model.

    Attributes
    ----------
    max_abs_difference
        Largest difference of a probability.
    slices
        Number of slices compared.
    identical
        Whether every bit agrees.
    mask_agreement
        Share of pixels that get the same label.
    """

    max_abs_difference: float
    slices: int
    identical: bool
    mask_agreement: float


def compare(
    uncut: Compiled,
    pieces: Sequence[Compiled],
    images: Sequence[ModelInput],
    preprocessing: Preprocessing,
    decoding: Decoding,
) -> Check:
    """Run images through the uncut model and through the pieces, and compare the outputs.

    Parameters
    ----------
    uncut, pieces
        The model as one file, and as a chain.
    images
        Model inputs, (1, H, W, C) each; at least one.
    preprocessing, decoding
        How an output becomes a mask.
    """
    expected = outputs_of([uncut], images)
    actual = outputs_of(pieces, images)
    agreement = [
        np.mean(
            _mask(uncut_output, preprocessing, decoding) == _mask(output, preprocessing, decoding)
        )
        for uncut_output, output in zip(expected, actual, strict=True)
    ]
    differences = [np.abs(a - b).max() for a, b in zip(expected, actual, strict=True)]
    return Check(
        max_abs_difference=float(np.max(differences)),
        slices=len(images),
        identical=all(np.array_equal(a, b) for a, b in zip(expected, actual, strict=True)),
        mask_agreement=float(np.mean(agreement)),
    )


def require_same(check: Check, tolerance: float = 0.0) -> None:
    """Refuse float32 pieces that do not give the uncut model's output.

    Parameters
    ----------
    check
        What was compared.
    tolerance
        Largest difference of a probability; at zero every bit must agree.

    Raises
    ------
    EdgesegError
        If an output differs by more.
    """
    if not check.identical and not check.max_abs_difference <= tolerance:
        raise EdgesegError(
            f"the pieces differ from the uncut model by {check.max_abs_difference:.3g}; "
            "no bundle is written, please report the model"
        )


def _mask(output: ModelInput, preprocessing: Preprocessing, decoding: Decoding) -> Mask:
    geometry = SliceGeometry(*preprocessing.size)
    return to_native(to_probabilities(output), geometry, preprocessing, decoding)
