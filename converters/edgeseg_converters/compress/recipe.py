"""A recipe: which steps compress a network, read from a TOML file or taken from the presets."""

import math
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, cast, get_args

import msgspec

from edgeseg.errors import UsageError, field_name
from edgeseg.text.suggestions import did_you_mean, near_key, near_path

PrunedShare: TypeAlias = Annotated[float, msgspec.Meta(ge=0, lt=1)]
"""A part of a whole; all of it can't go."""

Precision: TypeAlias = Literal["none", "float16", "dynamic", "int8"]
"""What pieces compute in."""
PRECISIONS = get_args(Precision)

PRESETS = ("exact", "paper", "balanced", "tiny")
"""Recipes that come with the package, from the mildest to the strongest."""

_SUFFIX = ".toml"


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Structured pruning: ``ratio`` of the filters is removed.

    ``uniform`` takes the share from every layer, ``global`` where filters matter least; ``layers``
    gives layers a share of their own. What is kept is a multiple of ``multiple``. A network of
    at most ``above`` parameters has fewer to spare: it loses the share ``small``.
    """

    ratio: PrunedShare
    scope: Literal["uniform", "global"] = "uniform"
    importance: Literal["l1", "batch_norm", "taylor"] = "l1"
    multiple: Annotated[int, msgspec.Meta(ge=1)] = 8
    layers: dict[str, PrunedShare] = {}
    above: Annotated[int, msgspec.Meta(ge=0)] = 0
    small: PrunedShare = 0.0

    def of(self, parameters: int) -> "Filters | None":
        """Return what a network of so many parameters loses, None where it keeps all filters."""
        if parameters > self.above:
            return self
        return msgspec.structs.replace(self, ratio=self.small) if self.small else None


class Zeros(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Magnitude pruning: small weights become zero.

    ``threshold`` is Algorithm II: ``ratio`` counts standard deviations of each kernel and may
    exceed 1. ``layer`` zeroes that share of every kernel, ``global`` that share of all of them
    together; ``pattern`` (``"2:4"``: two of four neighbours along the input channels are kept)
    stands instead of a ratio.
    """

    ratio: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    scope: Literal["threshold", "layer", "global"] = "threshold"
    pattern: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]?:[1-9][0-9]?\Z")] | None = None

    def __post_init__(self) -> None:
        """Refuse shares of 1 and more, and patterns that keep nothing more than they hold."""
        if self.ratio >= (math.inf if self.scope == "threshold" else 1):
            raise ValueError(f"ratio {self.ratio:g} is no share below 1")
        if self.pattern is not None:
            kept, group = map(int, self.pattern.split(":"))
            if kept >= group or self.ratio:
                raise ValueError(f"pattern {self.pattern} keeps all, or a ratio stands beside it")


class FineTuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Training after pruning, without labels: the network learns the uncompressed one's answers.

    Where nothing was pruned there is nothing to learn, unless int8 is.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1)]
    rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-3
    batch: Annotated[int, msgspec.Meta(ge=1)] = 4
    quantization_aware: bool = False
    seed: int = 0


class Rounding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights of few values, without training: layers compute nearly what they did.

    ``bits``: what a weight takes on average once it is packed, as an entropy coder counts; few of
    them make most weights zero. ``levels``: how many evenly spaced values the weights of an output
    channel take at most, zero among them; int8 has 255 of them.
    """

    bits: Annotated[float, msgspec.Meta(gt=0, le=8)]
    levels: Annotated[int, msgspec.Meta(ge=3, le=255)] = 15

    def __post_init__(self) -> None:
        """Refuse levels without a zero."""
        if self.levels % 2 == 0:
            raise ValueError(f"levels = {self.levels} has no zero among them; give an odd number")


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The steps of a compression; what is None is left out.

    ``dice_tolerance``: a piece whose quantization alone costs more Dice than that, measured
    against the float32 masks of the calibration slices, is kept in float32.
    """

    filters: Filters | None = None
    zeros: Zeros | None = None
    finetune: FineTuning | None = None
    rounding: Rounding | None = None
    quantize: Precision = "none"
    dice_tolerance: PrunedShare | None = None
    sparse_encoding: bool = False

    def __post_init__(self) -> None:
        """Refuse what TFLite can't run, and what undoes itself."""
        if self.zeros is not None and self.rounding is not None:
            raise ValueError("rounding sets zeros of its own; give either [zeros] or [rounding]")
        if self.sparse_encoding and self.quantize == "dynamic":
            raise ValueError(
                "sparse_encoding with dynamic int8 crashes TFLite; use int8, float16 or none"
            )

    @property
    def needs_slices(self) -> str | None:
        """Name a step that looks at slices whatever the network, or None."""
        if self.quantize == "int8":
            return "int8"
        if self.finetune is not None:
            return "fine-tuning"
        if self.rounding is not None:
            return "rounding"
        taylor = self.filters is not None and self.filters.importance == "taylor"
        return "importance taylor" if taylor else None


def chosen_recipe(
    recipe: Recipe | str | Path | None, prune_ratio: float | None, quantize: str | None
) -> Recipe:
    """Return the recipe, or the one that the two shorthands mean.

    Parameters
    ----------
    recipe
        A recipe, the name of a preset, or a TOML file.
    prune_ratio
        Threshold of Algorithm II in standard deviations of a kernel.
    quantize
        Name of a precision.

    Raises
    ------
    UsageError
        If both are given, or a value is out of range.
    """
    if isinstance(recipe, str | Path):
        recipe = read_recipe(str(recipe))
    if recipe is not None:
        if prune_ratio is not None or quantize is not None:
            raise UsageError(
                f"{field_name('recipe')} stands instead of {field_name('prune_ratio')} and "
                f"{field_name('quantize')}; give either"
            )
        return recipe
    if quantize is not None and quantize not in PRECISIONS:
        near = did_you_mean(quantize, PRECISIONS)
        raise UsageError(
            f"{field_name('quantize')} is {quantize!r}; choose one of {', '.join(PRECISIONS)}{near}"
        )
    if prune_ratio is not None and not 0 <= prune_ratio < math.inf:
        raise UsageError(
            f"{field_name('prune_ratio')} is {prune_ratio}; give a number of at least 0, such as "
            "0.5"
        )
    zeros = None if prune_ratio is None else Zeros(prune_ratio)
    return Recipe(zeros=zeros, quantize=cast(Precision, quantize or "none"))


def with_sparse_encoding(recipe: Recipe) -> Recipe:
    """Return the recipe with TFLite's sparse encoding.

    Raises
    ------
    UsageError
        If it quantizes dynamically, which TFLite can't run sparse.
    """
    try:
        return msgspec.structs.replace(recipe, sparse_encoding=True)
    except ValueError as error:
        raise UsageError(f"{field_name('sparse_encoding')} can't be used: {error}") from None


def read_recipe(name: str) -> Recipe:
    """Return the preset of that name, or the recipe in a TOML file.

    Parameters
    ----------
    name
        Of a preset, or the path of a file.

    Raises
    ------
    UsageError
        If there is neither, or the file holds unknown keys or values out of range.
    """
    if name in PRESETS:
        folder = resources.files("edgeseg_converters.compress") / "recipes"
        return _parse((folder / f"{name}{_SUFFIX}").read_bytes(), name)
    path = Path(name)
    if path.suffix != _SUFFIX or not path.is_file():
        raise UsageError(
            f"{field_name('recipe')} {name!r} is none of {', '.join(PRESETS)} and no {_SUFFIX} "
            f"file; give either{did_you_mean(name, PRESETS) or near_path(path)}"
        )
    return _parse(path.read_bytes(), name)


def _parse(text: bytes, name: str) -> Recipe:
    try:
        return msgspec.toml.decode(text, type=Recipe)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        near = near_key(error, Recipe, Filters, Zeros, FineTuning, Rounding)
        raise UsageError(f"recipe {name} can't be used: {error}; mend the file{near}") from None
