"""The ladder of recipes that a search climbs, from no loss at all to the strongest."""

from dataclasses import dataclass

import msgspec

from edgeseg_converters.recipe import Filters, Recipe, read_recipe

_SHARES = (0.25, 0.375, 0.5, 0.625, 0.75)
"""Of the filters, which go."""
_ALSO_ZEROS = 0.5
"""From this share on, each rung has a second one with half of the other weights zero too."""


@dataclass(frozen=True)
class Rung:
    """A recipe to try; its name is that of the bundle's file."""

    name: str
    recipe: Recipe


def ladder() -> tuple[Rung, ...]:
    """Return the rungs from the mildest to the strongest.

    Filters go as in the preset ``balanced``, zeros come as in ``tiny``: what these learn back
    with, and what they keep in float, holds for every rung.
    """
    balanced, tiny = read_recipe("balanced"), read_recipe("tiny")
    tolerance = balanced.dice_tolerance
    rungs = [
        Rung("exact", Recipe()),
        Rung("float16", Recipe(quantize="float16")),
        Rung("int8", Recipe(quantize="int8", dice_tolerance=tolerance)),
    ]
    for share in _SHARES:
        filters = msgspec.structs.replace(balanced.filters or Filters(share), ratio=share)
        recipe = msgspec.structs.replace(balanced, filters=filters)
        rungs.append(Rung(f"filters-{share:g}", recipe))
        if share >= _ALSO_ZEROS:
            zeroed = msgspec.structs.replace(recipe, zeros=tiny.zeros)
            rungs.append(Rung(f"filters-{share:g}-zeros", zeroed))
    return tuple(rungs)
