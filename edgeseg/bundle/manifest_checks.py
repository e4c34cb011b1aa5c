"""Reads a manifest and checks it: what makes it unusable is found before anything relies on it."""

import math

import msgspec

from edgeseg.bundle.manifest import (
    FORMAT,
    MAX_PIECE_BYTES,
    MAX_TENSOR_BYTES,
    ROW_AXIS,
    Decoding,
    Manifest,
    OutputField,
    Piece,
    Preprocessing,
)
from edgeseg.bundle.rules import labels_named, smoothing_misplaced
from edgeseg.errors import BundleError

_STACK = 3
"""Fewest neighbouring slices that are a stack."""


def parse_manifest(data: bytes, origin: str) -> Manifest:
    """Read and check a manifest; ``origin`` names its source in errors.

    Raises
    ------
    BundleError
        If it is no manifest, of a newer format, or contradicts itself.
    """
    try:
        version = msgspec.json.decode(data, type=_Versioned).format
        if version > FORMAT:
            raise BundleError(
                f"{origin} has format {version}, this edgeseg reads up to {FORMAT}; upgrade edgeseg"
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BundleError(f"{origin} has a manifest that can't be read ({error})") from None
    problem = contradiction(manifest)
    if problem:
        raise BundleError(f"{origin} has a manifest that contradicts itself: {problem}")
    return manifest


class _Versioned(msgspec.Struct):
    format: int


def contradiction(manifest: Manifest) -> str | None:
    """Return what makes the manifest unusable, or None: pieces must form a runnable dataflow."""
    if not manifest.pieces or len(manifest.pieces[0].inputs) != 1:
        return "the first piece must read the image alone"
    if not all(piece.inputs and piece.outputs for piece in manifest.pieces):
        return "a piece must read and make something"
    names = [piece.name for piece in manifest.pieces]
    if len(set(names)) < len(names):
        return "two pieces have the same name"
    if any(max(p.bytes, p.compressed_bytes) > MAX_PIECE_BYTES for p in manifest.pieces):
        return "a piece is larger than 2 GiB"
    ports = (port for piece in manifest.pieces for port in (*piece.inputs, *piece.outputs))
    if any(port.nbytes > MAX_TENSOR_BYTES for port in ports):
        return "a tensor is larger than 1 GiB"
    return (
        _torn(manifest)
        or _flow_contradiction(manifest)
        or _input_contradiction(manifest.preprocessing)
        or _decoding_contradiction(manifest)
        or tiles_contradiction(manifest.preprocessing, manifest.decoding)
        or _postprocess_contradiction(manifest)
        or _wire_contradiction(manifest)
    )


def _torn(manifest: Manifest) -> str | None:
    torn = (piece.name for piece in manifest.pieces if not _bands_cover(piece))
    return next((f"the bands of {name} do not cover its rows" for name in torn), None)


def _bands_cover(piece: Piece) -> bool:
    if piece.bands is None:
        return True
    ports, strips = (*piece.inputs, *piece.outputs), (*piece.bands.inputs, *piece.bands.outputs)
    return (
        len(piece.inputs) == len(piece.bands.inputs)
        and len(ports) == len(strips)
        and len({len(strip.starts) for strip in strips}) == 1
        and all(
            len(port.shape) > ROW_AXIS and strip.cover(port.shape[ROW_AXIS])
            for port, strip in zip(ports, strips, strict=True)
        )
    )


def _flow_contradiction(manifest: Manifest) -> str | None:
    known = {manifest.input.tensor: manifest.input}
    for piece in manifest.pieces:
        for port in piece.inputs:
            if port.tensor not in known or known[port.tensor].shape != port.shape:
                return f"{piece.name} reads {port.tensor}, which no piece before it makes"
        for port in piece.outputs:
            if port.tensor in known:
                return f"{piece.name} makes {port.tensor}, which is there already"
            known[port.tensor] = port
    return None


def _input_contradiction(how: Preprocessing) -> str | None:
    """Return what makes the input of the model contradict itself, or None."""
    low, high = how.window
    windows = () if how.windows is msgspec.UNSET else how.windows
    normal = () if how.normalize is msgspec.UNSET else how.normalize
    slices = None if how.slices is msgspec.UNSET else how.slices
    problems = {
        "its window is empty": not -math.inf < low < high < math.inf,
        "the window of a channel is not within that of all": not all(
            low <= bottom < top <= high for bottom, top in windows
        ),
        "it has not one window a channel": len(windows) not in {0, how.channels},
        "it normalizes another number of channels than there are": (
            len(normal) not in {0, 1, how.channels}
        ),
        "a standard deviation is not above 0": not all(
            -math.inf < mean < math.inf and 0 < deviation < math.inf for mean, deviation in normal
        ),
        "8-bit levels are neither normalized nor of several windows": bool(
            (windows or normal) and how.level_bits is msgspec.UNSET
        ),
        "its neighbouring slices are not one a channel, an odd number from 3 on": (
            slices is not None and (slices != how.channels or slices < _STACK or slices % 2 == 0)
        ),
        "neighbouring slices meet several windows": bool(slices and windows),
    }
    return next((what for what, holds in problems.items() if holds), None)


def _decoding_contradiction(manifest: Manifest) -> str | None:
    height, width = manifest.preprocessing.size
    values = {label.value for label in manifest.labels}
    if manifest.input.shape != (1, height, width, manifest.preprocessing.channels):
        return "its input shape is not what preprocessing makes"
    if manifest.output.shape != manifest.decoding.output_shape((height, width)):
        return "its output shape does not fit the labels"
    if not _lies_on(manifest.decoding.field, height, width):
        return "its output does not lie on the input"
    if _spread_bytes(manifest.decoding, height, width) > MAX_TENSOR_BYTES:
        return "its output is too fine to be laid out over the input"
    if not values.issuperset(set(manifest.decoding.channels) - {0}):
        return "a channel decodes to a label that has no entry"
    return None


def tiles_contradiction(preprocessing: Preprocessing, decoding: Decoding) -> str | None:
    """Return why slices can't be read in tiles though they should be, or None."""
    if isinstance(preprocessing.tile_step, msgspec.UnsetType):
        return None
    if preprocessing.spacing_mm is None:
        return "tiles need a spacing"
    if preprocessing.planes > 1:
        return "tiles of neighbouring slices can't be read"
    field = decoding.field
    if isinstance(field, msgspec.UnsetType):
        return None
    same = field.size == (field.height, field.width)
    return (
        None
        if same and _fits(field, preprocessing.size)
        else "tiles need the resolution of the input"
    )


def _fits(field: OutputField, size: tuple[int, int]) -> bool:
    """Tell whether all of an output lies within the input."""
    rows, cols = size
    return (
        min(field.top, field.left) >= 0
        and field.top + field.height <= rows
        and field.left + field.width <= cols
    )


def _lies_on(field: OutputField | msgspec.UnsetType, height: int, width: int) -> bool:
    return isinstance(field, msgspec.UnsetType) or (
        -field.height < field.top < height and -field.width < field.left < width
    )


def _spread_bytes(decoding: Decoding, height: int, width: int) -> float:
    """Return the most bytes of an output of 8 bits with background around it on the input."""
    field = decoding.field
    if isinstance(field, msgspec.UnsetType):
        return height * width * len(decoding.channels)
    tall, wide = field.size
    rows, cols = tall + height * tall / field.height, wide + width * wide / field.width
    return rows * cols * len(decoding.channels)


def _postprocess_contradiction(manifest: Manifest) -> str | None:
    names = {label.name for label in manifest.labels}
    if not names.issuperset(name for rule in manifest.rules for name in labels_named(rule)):
        return "post-processing names a label that has no entry"
    if smoothing_misplaced(manifest.rules):
        return "post-processing smooths probabilities behind another rule"
    return None


def _wire_contradiction(manifest: Manifest) -> str | None:
    between = {port.tensor for piece in manifest.pieces for port in piece.outputs}
    foreign = (tensor for tensor in manifest.wire_ratios if tensor not in between)
    return next((f"no piece makes {tensor}, whose codecs it lists" for tensor in foreign), None)
