"""The ladder of recipes that a search climbs, from no loss at all to the strongest."""

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from edgeseg_converters.compress.recipe import (
    Filters,
    Recipe,
    Rounding,
    read_recipe,
    with_sparse_encoding,
)
from edgeseg_converters.options import ConversionOptions

_MILD_BITS = 3.0
"""Bits a weight that hardly any network notices."""
_FILTER_RATIOS = (0.25, 0.375, 0.5)
"""Shares of the filters, which go from small networks too."""


@dataclass(frozen=True)
class Rung:
    """A recipe to try; its name is that of the bundle's file."""

    name: str
    recipe: Recipe


def ladder() -> tuple[Rung, ...]:
    """Return the rungs from the mildest to the strongest.

    First precision alone, then rounding alone, then the preset ``balanced``, then filters of small
    networks too, with ``tiny`` among them. How ``balanced`` rounds, and what it keeps in float,
    holds for the rungs of filters as well.
    """
    balanced, tiny = read_recipe("balanced"), read_recipe("tiny")
    tolerance = balanced.dice_tolerance
    mildest, *stronger = (
        Rung(f"filters-{ratio:g}", replace(balanced, filters=Filters(ratio, importance="taylor")))
        for ratio in _FILTER_RATIOS
    )
    return (
        Rung("exact", Recipe()),
        Rung("float16", Recipe(quantize="float16")),
        Rung("int8", Recipe(quantize="int8", dice_tolerance=tolerance)),
        Rung("rounded", replace(balanced, filters=None, rounding=Rounding(_MILD_BITS))),
        Rung("balanced", balanced),
        mildest,
        Rung("tiny", tiny),
        *stronger,
    )


def rungs_of(options: ConversionOptions) -> tuple[Rung, ...]:
    """Return the recipe of the options, or the whole ladder where they name none.

    A search over one recipe only holds it to the limit.

    Raises
    ------
    UsageError
        If a recipe of the ladder can't be sparse.
    """
    if options.recipe is None and options.prune_ratio is None and options.quantize is None:
        rungs = ladder()
        if not options.sparse_encoding:
            return rungs
        return tuple(Rung(rung.name, with_sparse_encoding(rung.recipe)) for rung in rungs)
    name = Path(options.recipe).stem if isinstance(options.recipe, str) else "recipe"
    return (Rung(name, options.compression),)
