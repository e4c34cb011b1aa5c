"""The ladder holds recipes that can be read, from mild to strong."""

import msgspec

from edgeseg_converters.recipe import Recipe, read_recipe
from edgeseg_converters.search.ladder import ladder


def test_rungs_grow_stronger() -> None:
    rungs = ladder()
    assert rungs[0].recipe == Recipe()
    filters = [rung.recipe.filters for rung in rungs]
    assert [0.0 if one is None else one.ratio for one in filters] == sorted(
        0.0 if one is None else one.ratio for one in filters
    )
    bits = [one.recipe.rounding.bits for one in rungs if one.recipe.rounding][:3]
    assert bits == sorted(bits, reverse=True)
    trained = [rung.recipe.finetune is not None for rung in rungs]
    assert trained == sorted(trained)
    assert all(rung.recipe.quantize == "int8" for rung in rungs[2:])


def test_presets_are_among_the_rungs() -> None:
    recipes = [rung.recipe for rung in ladder()]
    assert read_recipe("balanced") in recipes
    assert read_recipe("tiny") in recipes
    assert all(recipe.finetune for recipe in recipes if recipe.filters)


def test_names_tell_rungs_apart() -> None:
    rungs = ladder()
    assert len({rung.name for rung in rungs}) == len(rungs)
    assert len({msgspec.json.encode(rung.recipe) for rung in rungs}) == len(rungs)
