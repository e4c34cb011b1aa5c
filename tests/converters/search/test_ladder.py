"""The ladder holds recipes that can be read, from mild to strong."""

from pathlib import Path

import msgspec
import pytest

from edgeseg.errors import UsageError
from edgeseg_converters.compress.recipe import Recipe, Zeros, read_recipe
from edgeseg_converters.options import ConversionOptions
from edgeseg_converters.search.ladder import ladder, rungs_of


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


def test_without_a_recipe_the_ladder_is_climbed() -> None:
    assert rungs_of(ConversionOptions()) == ladder()
    sparse = rungs_of(ConversionOptions(sparse_encoding=True))
    assert all(rung.recipe.sparse_encoding for rung in sparse)


def test_a_recipe_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('quantize = "float16"')
    (preset,) = rungs_of(ConversionOptions(recipe="paper", calibration=tmp_path))
    (own,) = rungs_of(ConversionOptions(recipe=str(file), sparse_encoding=True))
    (short,) = rungs_of(ConversionOptions(prune_ratio=0.5, quantize="int8", calibration=tmp_path))
    assert (preset.name, preset.recipe) == ("paper", read_recipe("paper"))
    assert (own.name, own.recipe) == ("mine", Recipe(quantize="float16", sparse_encoding=True))
    assert (short.name, short.recipe) == ("recipe", Recipe(zeros=Zeros(0.5), quantize="int8"))


def test_what_cant_be_sparse_is_refused() -> None:
    with pytest.raises(UsageError, match=r"sparse_encoding can't be used: .*dynamic"):
        ConversionOptions(quantize="dynamic", sparse_encoding=True)
