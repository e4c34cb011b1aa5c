"""The ladder of recipes that a search climbs, from no loss at all to the strongest."""

from dataclasses import dataclass

from msgspec.structs import replace

from edgeseg_converters.compress.recipe import Filters, Recipe, Rounding, read_recipe

_MILD = 3.0
"""Bits a weight that hardly any network notices."""
_FILTERS = (0.25, 0.375, 0.5)
"""Of the filters, which go from small networks too."""


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
    least, *more = (
        Rung(f"filters-{share:g}", replace(balanced, filters=Filters(share, importance="taylor")))
        for share in _FILTERS
    )
    return (
        Rung("exact", Recipe()),
        Rung("float16", Recipe(quantize="float16")),
        Rung("int8", Recipe(quantize="int8", dice_tolerance=tolerance)),
        Rung("rounded", replace(balanced, filters=None, rounding=Rounding(_MILD))),
        Rung("balanced", balanced),
        least,
        Rung("tiny", tiny),
        *more,
    )
