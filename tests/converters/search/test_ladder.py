"""The ladder holds recipes that can be read, from mild to strong."""

import msgspec

from edgeseg_converters.compress.recipe import Recipe, read_recipe
from edgeseg_converters.search.ladder import ladder


def test_rungs_grow_stronger() -> None:
    rungs = ladder()
    assert rungs[0].recipe == Recipe()
    pruned = [rung.recipe.filters for rung in rungs if rung.name.startswith("filters")]
    shares = [one.ratio for one in pruned if one is not None]
    assert len(shares) == len(pruned) >= 2
    assert shares == sorted(shares)
    kept = [rung.recipe.rounding for rung in rungs if not rung.name.startswith("filters")]
    bits = [rounding.bits for rounding in kept if rounding is not None]
    assert len(bits) == 3
    assert bits == sorted(bits, reverse=True)
    assert all(rung.recipe.quantize == "int8" for rung in rungs[2:])


def test_presets_are_among_the_rungs() -> None:
    recipes = [rung.recipe for rung in ladder()]
    assert read_recipe("balanced") in recipes
    assert read_recipe("tiny") in recipes


def test_names_tell_rungs_apart() -> None:
    rungs = ladder()
    assert len({rung.name for rung in rungs}) == len(rungs)
    assert len({msgspec.json.encode(rung.recipe) for rung in rungs}) == len(rungs)
