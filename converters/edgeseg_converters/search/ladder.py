"""The ladder of recipes that a search climbs, from no loss at all to the strongest."""

from dataclasses import dataclass

from msgspec.structs import replace

from edgeseg_converters.recipe import Filters, Recipe, Zeros, read_recipe

_ZEROS = (0.5, 0.8)
"""Of the weights, which are zero where every filter stays."""
_FILTERS = (0.5, 0.625, 0.75)
"""Of the filters, which go from narrow layers too."""


@dataclass(frozen=True)
class Rung:
    """A recipe to try; its name is that of the bundle's file."""

    name: str
    recipe: Recipe


def ladder() -> tuple[Rung, ...]:
    """Return the rungs from the mildest to the strongest.

    First precision alone, then zeros, then the presets ``balanced`` and ``tiny``, then filters of
    narrow layers too. How long ``balanced`` learns back, and what it keeps in float, holds for
    every rung that is trained; zeros alone leave the other weights any value.
    """
    balanced, tiny = read_recipe("balanced"), read_recipe("tiny")
    tolerance = balanced.dice_tolerance
    free = balanced.finetune and replace(balanced.finetune, levels=None)
    zeroed = [
        replace(balanced, filters=None, zeros=Zeros(share, scope="global"), finetune=free)
        for share in _ZEROS
    ]
    narrow = [
        replace(balanced, filters=Filters(share, importance="taylor"), zeros=Zeros(0.5, "global"))
        for share in _FILTERS
    ]
    return (
        Rung("exact", Recipe()),
        Rung("float16", Recipe(quantize="float16")),
        Rung("int8", Recipe(quantize="int8", dice_tolerance=tolerance)),
        *(Rung(f"zeros-{share:g}", one) for share, one in zip(_ZEROS, zeroed, strict=True)),
        Rung("balanced", balanced),
        Rung("tiny", tiny),
        *(Rung(f"filters-{share:g}", one) for share, one in zip(_FILTERS, narrow, strict=True)),
    )
