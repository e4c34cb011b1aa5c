"""A recipe: which steps compress a network, read from a TOML file or taken from the presets."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from edgeseg.errors import UsageError

Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, lt=1)]
"""A part of a whole; all of it can't go."""

PRESETS = ("exact", "paper", "balanced", "tiny")
"""Recipes that come with the package, from the mildest to the strongest."""

_SUFFIX = ".toml"


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Structured pruning: ``ratio`` of the filters is removed.

    ``uniform`` takes the share from every layer, ``global`` where filters matter least; ``layers``
    gives layers a share of their own. What is kept is a multiple of ``multiple``.
    """

    ratio: Share
    scope: Literal["uniform", "global"] = "uniform"
    importance: Literal["l1", "batch_norm", "taylor"] = "l1"
    multiple: Annotated[int, msgspec.Meta(ge=1)] = 8
    layers: dict[str, Share] = {}


class Zeros(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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
        if self.scope != "threshold" and self.ratio >= 1:
            raise ValueError(f"ratio {self.ratio:g} is no share below 1")
        if self.pattern is not None:
            kept, group = map(int, self.pattern.split(":"))
            if kept >= group or self.ratio:
                raise ValueError(f"pattern {self.pattern} keeps all, or a ratio stands beside it")


class FineTuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Training after pruning, without labels: the network learns the uncompressed one's answers."""

    epochs: Annotated[int, msgspec.Meta(ge=1)]
    rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-3
    batch: Annotated[int, msgspec.Meta(ge=1)] = 4
    quantization_aware: bool = False
    seed: int = 0


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The steps of a compression; what is None is left out.

    ``dice_tolerance``: a piece whose quantization alone costs more Dice than that, measured
    against the float32 masks of the calibration slices, is kept in float32.
    """

    filters: Filters | None = None
    zeros: Zeros | None = None
    finetune: FineTuning | None = None
    quantize: Literal["none", "float16", "dynamic", "int8"] = "none"
    dice_tolerance: Share | None = None
    sparse_encoding: bool = False

    def __post_init__(self) -> None:
        """Refuse what TFLite can't run."""
        if self.sparse_encoding and self.quantize == "dynamic":
            raise ValueError(
                "sparse_encoding with dynamic int8 crashes TFLite; use int8, float16 or none"
            )

    @property
    def lossless(self) -> bool:
        """Whether the pieces must give the model's own bits."""
        return self == Recipe()

    @property
    def needs_slices(self) -> bool:
        """Whether a step looks at calibration slices, whatever the network."""
        taylor = self.filters is not None and self.filters.importance == "taylor"
        return taylor or self.finetune is not None or self.quantize == "int8"


def read_recipe(name: str) -> Recipe:
    """Return the preset of that name, or the recipe in a TOML file.

    Raises
    ------
    UsageError
        If there is neither, or the file holds unknown keys or values out of range.
    """
    if name in PRESETS:
        folder = resources.files("edgeseg_converters") / "recipes"
        return _parse((folder / f"{name}{_SUFFIX}").read_bytes(), name)
    path = Path(name)
    if path.suffix != _SUFFIX or not path.is_file():
        raise UsageError(
            f"--recipe {name!r} is none of {', '.join(PRESETS)} and no {_SUFFIX} file; give either"
        )
    return _parse(path.read_bytes(), name)


def _parse(text: bytes, name: str) -> Recipe:
    try:
        return msgspec.toml.decode(text, type=Recipe)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"recipe {name} can't be used: {error}; mend the file") from None
