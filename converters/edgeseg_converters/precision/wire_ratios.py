"""What each codec makes of the tensors between pieces, measured on real slices."""

from collections.abc import Sequence

from edgeseg.codecs.names import CodecName
from edgeseg.codecs.ratio import measured_ratios
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.calibration import evenly_spaced
from edgeseg_converters.tflite.chain import stages
from edgeseg_converters.tflite.export import Compiled

_SLICES = 4
_DIGITS = 3
"""More would be noise."""


def measure_wire_ratios(
    pieces: Sequence[Compiled], images: Sequence[ModelInput]
) -> dict[str, dict[CodecName, float]]:
    """Return, by tensor and codec, the bytes of a payload for each byte of the tensor.

    Parameters
    ----------
    pieces
        In order, as they go into the bundle.
    images
        Slices to measure on, (1, H, W, C) each. Without any nothing is measured: noise would
        say little of what scans make.
    """
    if not images or len(pieces) == 1:
        return {}
    ratios: dict[str, dict[CodecName, float]] = {}
    alive = stages(pieces, evenly_spaced(images, _SLICES))
    next(alive)  # the image, which passes in whole levels
    for piece, slices in zip(pieces[:-1], alive, strict=False):
        for port in piece.outputs:
            arrays = [tensors[port.tensor].array for tensors in slices if port.tensor in tensors]
            if arrays:
                found = measured_ratios(arrays)
                ratios[port.tensor] = {c: round(found[c], _DIGITS) or 0.001 for c in found}
    return ratios
