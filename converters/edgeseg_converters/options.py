"""What a conversion is asked for: for ``convert()``, the search, the dry run and the command."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import msgspec

from edgeseg.boards.boards_file import BoardsFile, read_boards
from edgeseg.bundle.manifest import Interval
from edgeseg.errors import UsageError, field_name
from edgeseg.progress import Progress, silent
from edgeseg.text.units import parse_bytes
from edgeseg_converters.compress.recipe import (
    PRECISIONS,
    Recipe,
    chosen_recipe,
    with_sparse_encoding,
)
from edgeseg_converters.flags import (
    Flag,
    Range,
    check_heeded,
    complete,
    given_and_recorded,
    recorded_fields,
)
from edgeseg_converters.model_input import InputRequest, Pairs, as_pairs
from edgeseg_converters.notation import (
    parse_background,
    parse_complexity,
    parse_input_range,
    parse_input_shape,
    parse_names,
    parse_normalize,
    parse_output,
    parse_window,
)
from edgeseg_converters.partition.registry import strategies

if TYPE_CHECKING:
    from edgeseg_converters.partition import PartitionRequest

_POSITIVE = Range(least=0, inclusive=False)


class ConversionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a conversion.

    To add one is to declare its field here. Fields may also be given as text, as they are written
    at the command line: ``max_complexity="5G"``, ``boards="boards.toml"``.

    Raises
    ------
    UsageError
        If a value can't be read, is unknown or out of range, or two contradict each other.
    """

    strategy: Annotated[
        str,
        Flag(
            section="cut",
            help="How to cut; see below when to use which.",
            choices=strategies,
            recorded=0,
        ),
    ] = "adaptive"
    """The strategy that cuts the network, by its name at the command line."""

    ways: Annotated[
        int | None,
        Flag(
            section="cut",
            metavar="N",
            help="Tiles or branches for {strategies}.",
            heeded=lambda strategy: strategy.divides,
            range=Range(least=2, remedy="give at least 2 tiles or branches", in_help=True),
            recorded=6,
        ),
    ] = None
    """Tiles or branches to divide into, at least 2; None for one a board, or 2 without boards."""

    boards: Annotated[
        BoardsFile | None,
        Flag(
            section="cut",
            metavar="FILE.toml",
            help="The boards to cut for: {strategies}.",
            heeded=lambda strategy: strategy.places,
            parse=lambda file: read_boards(Path(file)),
            text_type=Path,
            recorded=7,
        ),
    ] = None
    """The boards that the pieces are for, as a boards file or its contents."""

    metric: Annotated[
        str,
        Flag(
            section="cut",
            help="What complexity means.",
            choices=lambda: ("flops", "parameters", "memory"),
            recorded=1,
        ),
    ] = "flops"
    """The measure of complexity, one of ``flops``, ``parameters`` and ``memory`` (bytes)."""

    max_complexity: Annotated[
        int | None,
        Flag(
            section="cut",
            metavar="N",
            help="No piece exceeds it: 5G, 1.5M; 512MiB where the metric is memory.",
            range=_POSITIVE,
            parse=parse_complexity,
            parsed_with="metric",
            recorded=2,
        ),
    ] = None
    """No piece exceeds it; sets the number of pieces where ``max_partitions`` is None."""

    max_partitions: Annotated[
        int | None,
        Flag(
            section="cut",
            metavar="N",
            help="Most pieces allowed.",
            range=Range(least=1, in_help=True),
            recorded=3,
        ),
    ] = None
    """Most pieces allowed."""

    max_activations: Annotated[
        int | None,
        Flag(
            section="cut",
            metavar="SIZE",
            help="Bytes alive at once in a piece, such as 16MiB: larger ones run in bands of rows.",
            range=_POSITIVE,
            parse=parse_bytes,
            recorded=4,
        ),
    ] = None
    """Bytes that may be alive at once within a piece, as float32.

    Pieces with more are cut where the resolution changes, and compute their rows in bands, some of
    them twice; the masks stay the same.
    """

    tolerance: Annotated[
        float | None,
        Flag(
            section="cut",
            metavar="P",
            help="What float32 probabilities may change by, for fewer multiplications: 1e-5.",
            heeded=lambda strategy: strategy.tolerant,
            range=_POSITIVE,
            recorded=5,
        ),
    ] = None
    """How far a float32 probability may be from the uncut model's.

    Convolutions of many channels then take a third fewer multiplications, and a third more memory
    for their weights. Where the check finds one further off, pieces are compiled as without.
    """

    recipe: Annotated[
        "Recipe | str | None",
        Flag(
            section="compression",
            metavar="NAME|FILE.toml",
            help="How to compress: exact, paper, balanced, tiny, or a recipe of your own.",
            parse=str,
        ),
    ] = None
    """The recipe of the compression, or the name of a preset or of a TOML file."""

    prune_ratio: Annotated[
        float | None,
        Flag(
            section="compression",
            metavar="R",
            help="Zero weights below R standard deviations of their kernel, in magnitude.",
            range=Range(least=0.0, remedy="give a number of at least 0, such as 0.5", in_help=True),
        ),
    ] = None
    """Standard deviations of a kernel below which its weights become zero; short for a recipe."""

    quantize: Annotated[
        str | None,
        Flag(
            section="compression",
            help="Precision; int8 needs --calibration.",
            choices=lambda: PRECISIONS,
        ),
    ] = None
    """One of ``none``, ``float16``, ``dynamic`` and ``int8``; short for a recipe."""

    sparse_encoding: Annotated[
        bool,
        Flag(section="compression", help="Store zeros sparse: smaller files, more memory."),
    ] = False
    """Whether TFLite stores zeros sparse, whatever the recipe says."""

    calibration: Annotated[
        Path | None,
        Flag(
            section="compression",
            metavar="SCAN",
            help="NIfTI, PNG slices or DICOM to calibrate, fine-tune and check on; no labels.",
            parse=Path,
            text_type=Path,
        ),
    ] = None
    """Unlabelled slices for int8, batch statistics, fine-tuning and the check."""

    window: Annotated[
        Interval | Pairs,
        Flag(
            section="image",
            metavar="LO,HI[;...]",
            help="HU that become the model's range; several, apart by ;, are one a channel.",
            parse=parse_window,
        ),
    ] = (0.0, 255.0)
    """HU that become the model's lowest and highest input, or such a pair for each channel."""

    input_range: Annotated[
        tuple[float, float] | None,
        Flag(
            section="image",
            metavar="LO,HI",
            help="What the model reads for the window's ends: 0,1 unless it rescales by itself.",
            parse=parse_input_range,
        ),
    ] = None
    """What the model reads for the ends of the window; None for what its first layer tells."""

    normalize: Annotated[
        Interval | Pairs | None,
        Flag(
            section="image",
            metavar="MEAN,STD[;...]",
            help="Z-score of HU within the window, in place of a range, as nnU-Net does.",
            parse=parse_normalize,
        ),
    ] = None
    """Mean and standard deviation of HU, which are clipped to the window and then normalized.

    One pair for all channels, or one for each.
    """

    channels: Annotated[
        str | None,
        Flag(
            section="image",
            help="What several channels read: the same slice, as encoders trained on RGB do.",
            choices=lambda: ("repeat",),
        ),
    ] = None
    """``repeat`` where every channel of the model's input reads the same slice."""

    slices: Annotated[
        int | None,
        Flag(
            section="image",
            metavar="N",
            help="Channels are N neighbouring slices, feet to head, edges repeated.",
        ),
    ] = None
    """How many neighbouring slices the channels are, an odd number from 3 on.

    They stand from feet to head, the slice itself in the middle; beyond the first and the last
    slice of a scan these are repeated.
    """

    spacing_mm: Annotated[
        float | None,
        Flag(
            section="image",
            metavar="MM",
            help="Pixel size the model was trained at, if a fixed one.",
            spelling="spacing",
            range=_POSITIVE,
        ),
    ] = None
    """Pixel size that the model was trained at; None where it takes the field of view as it is."""

    field: Annotated[
        Literal["whole", "tiles"] | None,
        Flag(
            section="image",
            help="How a slice larger than the model's field is read: shrunk, or in tiles.",
            choices=lambda: ("whole", "tiles"),
        ),
    ] = None
    """How a slice is read that the model's input does not hold at the spacing.

    ``whole``, which None means, shrinks it; ``tiles`` reads it in tiles that overlap, at the
    spacing, and averages their probabilities, those of a tile's middle counting most.
    """

    tile_step: Annotated[
        float | None,
        Flag(
            section="image",
            metavar="S",
            help="How far tiles are apart at most, as a share of a tile: 0.5.",
            range=Range(
                least=0.125, most=1.0, remedy="give 0.125 to 1; tiles further apart leave gaps"
            ),
        ),
    ] = None
    """The most that tiles are apart, as a share of their side; None for one half."""

    labels: Annotated[
        Sequence[str] | None,
        Flag(
            section="image",
            metavar="A,B,...",
            help="Names of the labels in channel order; background and KiTS' regions are known.",
            parse=parse_names,
        ),
    ] = None
    """Names of the labels, one an output channel (the background left out, or named so)."""

    background: Annotated[
        int | str | None,
        Flag(
            section="image",
            metavar="N|first|last|none",
            help="The output channel that is the background: a softmax's first, of sigmoids none.",
            parse=parse_background,
            recorded_if_given=True,
        ),
    ] = None
    """The background's channel, by number from 0, ``first``, ``last`` or ``none``.

    None takes the first of a softmax and none of sigmoids, unless the model contradicts that.
    Where it is stated, the likeliest channel wins, of sigmoids too.
    """

    regions: Annotated[
        Literal["nested", "exclusive"] | None,
        Flag(
            section="image",
            help="Three sigmoids are KiTS' regions, one within the other; or each is a label.",
            choices=lambda: ("nested", "exclusive"),
        ),
    ] = None
    """Whether sigmoids are regions, outermost first; or each is a label.

    Three are those of KiTS (kidney_and_mass, mass, tumor). None takes them for regions where
    ``labels`` are named so, or the last layer is called regions.
    """

    model_output: Annotated[
        int | str | None,
        Flag(
            section="image",
            metavar="NAME|N",
            help="Which of several outputs segments, such as of deep supervision.",
            parse=parse_output,
            recorded_if_given=True,
        ),
    ] = None
    """The name, or the number from 0, of one of several outputs; None where there is one.

    Layers that only feed the others are left out.
    """

    activation: Annotated[
        Literal["sigmoid", "softmax", "none"] | None,
        Flag(
            section="image",
            help="What logits go through, or none if these are probabilities.",
            choices=lambda: ("sigmoid", "softmax", "none"),
            recorded_if_given=True,
        ),
    ] = None
    """The activation that a model lacks which ends in logits.

    None adds a softmax, or a sigmoid to one channel; ``none`` takes the output for probabilities.
    """

    postprocess: Annotated[
        str | None,
        Flag(
            section="image",
            metavar="PRESET|FILE.toml|none",
            help="Rules for masks of whole scans: kidney, none, or a file of your own.",
        ),
    ] = None
    """Rules for masks of whole scans, as a preset, a TOML file of rules, or ``none``."""

    input_shape: Annotated[
        tuple[int, ...] | None,
        Flag(
            section="image",
            metavar="H,W[,C]",
            help="Compile the model at this input size.",
            parse=parse_input_shape,
        ),
    ] = None
    """(H, W) or (H, W, C) to compile the model at; None for its own."""

    def __post_init__(self) -> None:
        """Refuse what can't be done."""
        complete(self)
        check_heeded(self, self.strategy)
        for entry in self.boards.board if self.boards is not None else ():
            _ = entry.expected  # says what is lacking
        _ = self.model_input  # says what is wrong with it
        self._check_field()
        step = self.compression.needs_slices
        if step is not None and self.calibration is None:
            raise UsageError(
                f"{step} needs slices to work on; give {field_name('calibration')} with a folder "
                "of PNG slices or a NIfTI file"
            )

    def _check_field(self) -> None:
        """Refuse tiles without what they need, and a step without tiles."""
        tiles = f"{field_name('field')} tiles"
        if self.field != "tiles":
            if self.tile_step is not None:
                raise UsageError(
                    f"{field_name('tile_step')} is for tiles; leave it out, or give {tiles}"
                )
            return
        if self.spacing_mm is None:
            raise UsageError(
                f"{tiles} needs the pixel size that the model was trained at; give "
                f"{field_name('spacing_mm')}, or leave {field_name('field')} out"
            )
        if self.slices is not None:
            raise UsageError(
                f"{tiles} and {field_name('slices')} do not go together yet; leave one of them out"
            )

    @property
    def compression(self) -> Recipe:
        """The recipe that ``recipe``, its shorthands and ``sparse_encoding`` mean together."""
        recipe = chosen_recipe(self.recipe, self.prune_ratio, self.quantize)
        return with_sparse_encoding(recipe) if self.sparse_encoding else recipe

    def with_recipe(self, recipe: Recipe) -> "ConversionOptions":
        """Return the same options with a recipe instead of a file's name or shorthands."""
        return msgspec.structs.replace(
            self, recipe=recipe, prune_ratio=None, quantize=None, sparse_encoding=False
        )

    @property
    def model_input(self) -> InputRequest:
        """What the model's input is to be fed with."""
        return InputRequest(
            windows=as_pairs(self.window),
            input_range=self.input_range,
            normalize=() if self.normalize is None else as_pairs(self.normalize),
            slices=self.slices,
            channels=self.channels,
            spacing_mm=self.spacing_mm,
        )

    def recorded(self) -> dict[str, str | int | float | bool | None]:
        """Return what the manifest keeps: no path, so that the same input gives the same bytes."""
        recipe = self.compression
        return {
            **{name: _recordable(getattr(self, name)) for name in recorded_fields(self)},
            **dict(given_and_recorded(self)),
            "quantize": recipe.quantize,
            "recipe": msgspec.json.encode(recipe).decode(),
        }


def partition_request(
    options: ConversionOptions, progress: Progress = silent
) -> "PartitionRequest":
    """Return what the partition is asked for: the fields of the options that it has too.

    Parameters
    ----------
    options
        All of a conversion.
    progress
        Told how far a search for cuts is.
    """
    from edgeseg_converters.partition import PartitionRequest

    fields = {field.name for field in dataclasses.fields(PartitionRequest)}
    shared = {name: getattr(options, name) for name in options.__struct_fields__ if name in fields}
    return PartitionRequest(precision=options.compression.quantize, progress=progress, **shared)


def options_from(options: ConversionOptions | None, fields: dict[str, Any]) -> ConversionOptions:
    """Return options with some fields set anew, or those of the fields alone.

    Raises
    ------
    UsageError
        As :class:`ConversionOptions` does.
    TypeError
        If there is no such field.
    """
    if options is None:
        return ConversionOptions(**fields)
    return msgspec.structs.replace(options, **fields) if fields else options


def _recordable(value: Any) -> str | int | float | bool | None:
    """Return a value as the manifest keeps it: of boards how many there are."""
    if isinstance(value, BoardsFile):
        return len(value.board)
    return cast(str | int | float | bool | None, value)
