"""The manifest of a bundle: everything that a runtime must know about a compiled model."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

from edgeseg.bundle.rules import Rule, Rules
from edgeseg.codecs.names import CodecName, Ratio

FORMAT = 3
"""The newest format; a bundle is written in the oldest that says all of it, see format_for."""

_LATER = 3
"""The format from which on inputs may be other than 8-bit levels of one slice and one window, and
outputs may have another grid than inputs."""

_PLAIN = 2
MAX_PIECE_BYTES = 2 * 2**30

MAX_TENSOR_BYTES = 2**30
MAX_AXES = 8
MAX_PIECES = 4096
MAX_BANDS = 256
MAX_LABELS = 255
MAX_CHANNELS = 1024
MAX_PORTS = 1024
MAX_LAYERS = 2**14
MAX_NOTES = 256
"""Settings, and versions."""

ROW_AXIS = 1
"""Of a tensor (N, H, W, C)."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A number of things, such as bytes."""

Extent: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
"""The size of a tensor along one axis."""

Shape: TypeAlias = Annotated[tuple[Extent, ...], msgspec.Meta(min_length=1, max_length=MAX_AXES)]
"""The size of a tensor."""

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=512, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
"""One line of text that a terminal shows as it is."""

PieceName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
"""A plain word: it names an entry of the archive."""

Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""In hexadecimal; it names a file in a board's cache."""

Color: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^#[0-9A-Fa-f]{6}\Z")]
"""Red, green, blue."""


FormatName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,32}\Z")]
"""A plain word: it ends the name of an entry of the archive."""

TFLITE = "tflite"
"""The format of pieces that need not state one."""


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output of a piece; the ports stand in the order of the TFLite file.

    ``scale`` and ``zero_point`` say what an int8 value means: ``scale * (value - zero_point)``.
    """

    tensor: Name
    shape: Shape
    dtype: Literal["float32", "int8"] = "float32"
    scale: float | None = None
    zero_point: int | None = None

    def __post_init__(self) -> None:
        """Refuse int8 of no meaning; decoding turns the error into one of its own."""
        if self.dtype == "int8" and not (self.zero_point is not None and self._has_scale):
            raise ValueError(f"{self.tensor} is int8 without scale and zero point")

    @property
    def _has_scale(self) -> bool:
        return self.scale is not None and 0 < self.scale < math.inf

    @property
    def nbytes(self) -> int:
        """Size of the tensor in bytes."""
        count = 4 if self.dtype == "float32" else 1
        for extent in self.shape:
            count *= extent
        return count


class Strips(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows of one port that each band covers: so many, from each of these on.

    Strips overlap. Of the rows that two neighbours share, the upper one's values count in the
    upper half, the lower one's in the lower half.
    """

    rows: Extent
    starts: Annotated[tuple[Count, ...], msgspec.Meta(min_length=2, max_length=MAX_BANDS)]

    @property
    def kept(self) -> tuple[tuple[int, int], ...]:
        """The range of rows, first and one behind the last, that each strip gives to the whole."""
        between = [
            (upper + self.rows + lower) // 2
            for upper, lower in zip(self.starts, self.starts[1:], strict=False)
        ]
        height = self.starts[-1] + self.rows
        return tuple(zip((0, *between), (*between, height), strict=True))

    def cover(self, height: int) -> bool:
        """Tell whether they follow one another without a gap from the first row to the last."""
        steps = zip(self.starts, self.starts[1:], strict=False)
        return (
            self.starts[0] == 0
            and self.starts[-1] + self.rows == height
            and all(upper < lower <= upper + self.rows for upper, lower in steps)
        )


class Bands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a piece computes its rows: its file makes one band of them, and runs once for each.

    So its activations take the memory of a band. Strips stand in the order of the ports.
    """

    inputs: Annotated[tuple[Strips, ...], msgspec.Meta(max_length=MAX_PORTS)]
    outputs: Annotated[tuple[Strips, ...], msgspec.Meta(max_length=MAX_PORTS)]

    @property
    def count(self) -> int:
        """How many bands there are."""
        return len(self.outputs[0].starts)


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A compiled sub-graph: what it reads and makes, and what it costs.

    ``peak_memory_bytes`` is what a fresh process needs to load and run the piece,
    ``resident_memory_bytes`` what it keeps afterwards: the weights are read from the mapped file
    once, when they are packed. Without ``bands`` the file makes all rows at once; without
    ``format`` it is a TFLite file.
    """

    name: PieceName
    inputs: Annotated[tuple[Port, ...], msgspec.Meta(max_length=MAX_PORTS)]
    outputs: Annotated[tuple[Port, ...], msgspec.Meta(max_length=MAX_PORTS)]
    layers: Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_LAYERS)]
    sha256: Sha256
    bytes: Count
    compressed_bytes: Count
    parameters: Count
    flops: Count
    sparsity: float
    peak_memory_bytes: Count
    resident_memory_bytes: Count
    bands: Bands | None = None
    format: FormatName | msgspec.UnsetType = msgspec.UNSET

    @property
    def file_format(self) -> str:
        """The format of its file."""
        return TFLITE if self.format is msgspec.UNSET else self.format

    @property
    def runs(self) -> int:
        """How often its file runs a slice."""
        return 1 if self.bands is None else self.bands.count


Interval: TypeAlias = tuple[float, float]
"""Two numbers, the lower one first."""

Intervals: TypeAlias = Annotated[tuple[Interval, ...], msgspec.Meta(max_length=MAX_CHANNELS)]
"""Two numbers for each channel: the ends of a window, or a mean and a standard deviation."""


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a CT slice becomes the model's input.

    HU are clipped to ``window`` and become whole levels of ``level_bits`` bits; the slice is
    resampled to square pixels of ``spacing_mm`` (coarser where the field of view needs it, and
    exactly the field of view where None) and centred on ``size`` (rows, columns). What of it each
    channel reads: the same slice; or, of so many neighbouring ``slices``, from feet to head, one;
    or one of several ``windows``, each within ``window``. The ends of its window become
    ``input_range``; with ``normalize``, a mean and a standard deviation in HU for all channels or
    for each, HU clipped to its window are normalized instead. With ``tile_step`` a slice that
    ``size`` does not hold at the spacing is read in tiles, at most so much of a tile apart.
    """

    window: Interval
    size: tuple[Extent, Extent]
    channels: Extent = 1
    spacing_mm: Annotated[float, msgspec.Meta(gt=0)] | None = None
    input_range: Interval = (0.0, 1.0)
    level_bits: Literal[16] | msgspec.UnsetType = msgspec.UNSET
    normalize: Intervals | msgspec.UnsetType = msgspec.UNSET
    windows: Intervals | msgspec.UnsetType = msgspec.UNSET
    slices: Extent | msgspec.UnsetType = msgspec.UNSET
    tile_step: Annotated[float, msgspec.Meta(ge=0.125, le=1)] | msgspec.UnsetType = msgspec.UNSET

    @property
    def level_type(self) -> Literal["uint8", "uint16"]:
        """The type of the levels in which a slice travels; 8 bit unless it is stated."""
        return "uint8" if self.level_bits is msgspec.UNSET else "uint16"

    @property
    def is_tiled(self) -> bool:
        """Whether slices that the field does not hold are read in tiles."""
        return self.tile_step is not msgspec.UNSET

    @property
    def planes(self) -> int:
        """How many slices the model reads for one."""
        return 1 if self.slices is msgspec.UNSET else self.slices

    @property
    def plane_bytes(self) -> int:
        """Bytes of the levels of one slice, as it travels."""
        height, width = self.size
        return height * width * (1 if self.level_bits is msgspec.UNSET else 2)

    @property
    def image_bytes(self) -> int:
        """Bytes of the levels that become one input of the model."""
        return self.planes * self.plane_bytes

    @property
    def kept_bytes(self) -> int:
        """Bytes of the levels that a board keeps for the next slice, whose neighbours they are."""
        return self.image_bytes if self.planes > 1 else 0

    def window_of(self, channel: int) -> Interval:
        """Return the window of a channel."""
        return self.window if self.windows is msgspec.UNSET else self.windows[channel]

    def normalization_of(self, channel: int) -> tuple[float, float] | None:
        """Return mean and standard deviation of a channel in HU; None where it has a range."""
        if self.normalize is msgspec.UNSET:
            return None
        return self.normalize[channel % len(self.normalize)]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value in the mask, what it means, and the colour it is drawn in (``#rrggbb``)."""

    value: Annotated[int, msgspec.Meta(ge=1, le=255)]
    name: Name
    color: Color


class OutputField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the output lies on the model's grid, if it isn't that grid.

    Its ``size`` (rows, columns) covers ``height`` x ``width`` pixels of the input from the edges
    ``top`` and ``left`` on. What it does not cover is background.
    """

    size: tuple[Extent, Extent]
    top: float
    left: float
    height: Annotated[float, msgspec.Meta(gt=0, le=2**20)]
    width: Annotated[float, msgspec.Meta(gt=0, le=2**20)]


class Decoding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How output channels become labels.

    ``sigmoid``: channel *c* paints label ``channels[c]`` where its probability is at least one
    half; later channels paint over earlier ones, so nested regions are listed outermost first.
    ``softmax``: the most probable channel wins; ``channels`` then names the background too (0).
    """

    activation: Literal["sigmoid", "softmax"]
    channels: Annotated[tuple[int, ...], msgspec.Meta(max_length=MAX_CHANNELS)]
    field: OutputField | msgspec.UnsetType = msgspec.UNSET

    def output_shape(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the shape of the output of a model that reads images of a size."""
        height, width = size if isinstance(self.field, msgspec.UnsetType) else self.field.size
        return 1, height, width, len(self.channels)


WireRatios: TypeAlias = Annotated[
    dict[Name, Annotated[dict[CodecName, Ratio], msgspec.Meta(min_length=1)]],
    msgspec.Meta(max_length=MAX_PIECES),
]
"""By tensor, and by codec, the bytes of a payload for each byte of the tensor."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a runtime must know about a compiled model.

    ``wire`` holds, by tensor, what each codec was measured to make of a byte between pieces.
    """

    format: int
    model_name: Name
    model_sha256: str
    preprocessing: Preprocessing
    labels: Annotated[tuple[Label, ...], msgspec.Meta(max_length=MAX_LABELS)]
    decoding: Decoding
    pieces: Annotated[tuple[Piece, ...], msgspec.Meta(max_length=MAX_PIECES)]
    settings: Annotated[
        dict[Name, Name | int | float | bool | None], msgspec.Meta(max_length=MAX_NOTES)
    ]
    versions: Annotated[dict[Name, Name], msgspec.Meta(max_length=MAX_NOTES)]
    postprocess: Rules | msgspec.UnsetType = msgspec.UNSET
    wire: WireRatios | msgspec.UnsetType = msgspec.UNSET

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Rules of post-processing; an older bundle has none."""
        return () if self.postprocess is msgspec.UNSET else self.postprocess

    @property
    def wire_ratios(self) -> Mapping[str, Mapping[CodecName, float]]:
        """What codecs make of a byte, by tensor; an older bundle has none."""
        return {} if self.wire is msgspec.UNSET else self.wire

    @property
    def input(self) -> Port:
        """The port at which the image enters."""
        return self.pieces[0].inputs[0]

    @property
    def output(self) -> Port:
        """The port at which the probabilities leave."""
        return self.pieces[-1].outputs[-1]


def format_for(preprocessing: Preprocessing, decoding: Decoding) -> int:
    """Return the lowest format that a manifest can have: an older edgeseg refuses a newer one."""
    stated = (
        preprocessing.level_bits,
        preprocessing.normalize,
        preprocessing.windows,
        preprocessing.slices,
        preprocessing.tile_step,
        decoding.field,
    )
    return _PLAIN if all(value is msgspec.UNSET for value in stated) else _LATER
