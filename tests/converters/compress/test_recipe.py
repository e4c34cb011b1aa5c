"""Recipes are read from TOML or taken from the presets; what is wrong is said in one line."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg_converters.compress.recipe import (
    PRECISIONS,
    PRESETS,
    Filters,
    FineTuning,
    Recipe,
    Zeros,
    chosen_recipe,
    read_recipe,
    with_sparse_encoding,
)

RATIOS = st.floats(0, 0.99)
RECIPES = st.builds(
    Recipe,
    filters=st.none()
    | st.builds(
        Filters,
        ratio=RATIOS,
        scope=st.sampled_from(("uniform", "global")),
        importance=st.sampled_from(("l1", "batch_norm", "taylor")),
        multiple=st.integers(1, 64),
        above=st.integers(0, 10**9),
        layers=st.dictionaries(st.text(st.characters(codec="ascii"), max_size=9), RATIOS),
    ),
    zeros=st.none()
    | st.builds(Zeros, ratio=RATIOS, scope=st.sampled_from(("threshold", "layer", "global")))
    | st.just(Zeros(pattern="2:4")),
    finetune=st.none() | st.builds(FineTuning, epochs=st.integers(1, 99)),
    quantize=st.sampled_from(PRECISIONS),
    dice_tolerance=st.none() | RATIOS,
)


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


@given(RECIPES)
def test_what_a_manifest_keeps_of_a_recipe_gives_it_back(recipe: Recipe) -> None:
    assert msgspec.json.decode(msgspec.json.encode(recipe), type=Recipe) == recipe


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_read(name: str) -> None:
    recipe = read_recipe(name)
    assert (recipe == Recipe()) == (name == "exact")
    assert (recipe.needs_slices is None) == (name in {"exact", "paper"})


def test_a_file_says_every_step(tmp_path: Path) -> None:
    text = """
    quantize = "int8"
    dice_tolerance = 0.01
    [filters]
    ratio = 0.25
    scope = "global"
    layers = { conv2d = 0.5 }
    [zeros]
    pattern = "2:4"
    [finetune]
    epochs = 3
    """
    assert read_recipe(written(tmp_path, text)) == Recipe(
        Filters(0.25, "global", layers={"conv2d": 0.5}),
        Zeros(pattern="2:4"),
        FineTuning(3),
        quantize="int8",
        dice_tolerance=0.01,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantise = 'int8'", "unknown field `quantise`"),
        ("[filters]\nratio = 0.5\nshare = 1", "unknown field `share`"),
        ("[filters]\nratio = 1.0", r"`float` < 1.0 - at `\$.filters.ratio`"),
        ("[filters]\nratio = -0.1", r"`float` >= 0.0 - at `\$.filters.ratio`"),
        ("[filters]\nratio = nan", "filters.ratio"),
        ("[filters]\nratio = 0.5\nlayers = { a = 1.5 }", "filters.layers"),
        ("[filters]\nratio = 0.5\nabove = -1", "`int` >= 0"),
        ("[filters]", "missing required field `ratio`"),
        ("[zeros]\nratio = 1.0\nscope = 'global'", "ratio 1 is no share below 1"),
        ("[zeros]\nratio = nan", "zeros"),
        ("[rounding]\nbits = 2\nlevels = 16", "levels = 16 has no zero among them"),
        ("[rounding]\nbits = 2\nlevels = 1", "Expected `int` >= 3"),
        ("[rounding]\nbits = 0", "`float` > 0.0"),
        ("[rounding]\nbits = nan", "bits"),
        ("[rounding]\nlevels = 15", "missing required field `bits`"),
        ("[rounding]\nbit = 2", "did you mean 'bits'"),
        ("[zeros]\nratio = 0.5\n[rounding]\nbits = 2", "give either .zeros. or .rounding."),
        ("[zeros]\nratio = inf", "zeros"),
        ("[zeros]\npattern = '4:2'", "pattern 4:2 keeps all"),
        ("[zeros]\npattern = '0:2'", "regex"),
        ("[zeros]\npattern = '2:4'\nratio = 0.5", "a ratio stands beside it"),
        ("[zeros]\nratio = 0.5\nscope = 'all'", "Invalid enum value 'all'"),
        ("[finetune]\nepochs = 0", "`int` >= 1"),
        ("[finetune]\nepochs = 3\nrate = 0", "rate"),
        ("quantize = 'int4'", "Invalid enum value 'int4'"),
        ("dice_tolerance = 1.5", "dice_tolerance"),
        ("quantize = 'dynamic'\nsparse_encoding = true", "sparse_encoding with dynamic int8"),
        ("quantize = ", "recipe .*mine.toml can't be used"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_recipe(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="can't be used"):
        read_recipe(str(path))


@pytest.mark.parametrize("name", ["best", "none.toml", ".", "recipe.json"])
def test_neither_preset_nor_file(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"none of exact, paper, balanced, tiny and no \.toml file"
    ):
        read_recipe(name)


def test_shorthands_mean_recipes() -> None:
    assert chosen_recipe(None, None, None) == Recipe()
    assert chosen_recipe(None, 0.5, "float16") == Recipe(zeros=Zeros(0.5), quantize="float16")
    assert chosen_recipe("paper", None, None) == read_recipe("paper")
    assert chosen_recipe(Recipe(quantize="int8"), None, None) == Recipe(quantize="int8")


@pytest.mark.parametrize("shorthand", [(0.5, None), (None, "int8"), (0.0, None), (None, "none")])
def test_a_recipe_and_shorthands_are_not_combined(shorthand: Any) -> None:
    with pytest.raises(UsageError, match="instead of prune_ratio and quantize"):
        chosen_recipe("exact", *shorthand)


@pytest.mark.parametrize("ratio", [-0.1, float("nan"), float("inf")])
def test_a_senseless_ratio(ratio: float) -> None:
    with pytest.raises(UsageError, match="prune_ratio"):
        chosen_recipe(None, ratio, None)


def test_an_unknown_precision() -> None:
    with pytest.raises(UsageError, match="none, float16, dynamic, int8"):
        chosen_recipe(None, None, "int4")


def test_sparse_encoding_is_added_where_it_runs() -> None:
    assert with_sparse_encoding(Recipe(quantize="int8")).sparse_encoding
    with pytest.raises(UsageError, match="sparse_encoding"):
        with_sparse_encoding(Recipe(quantize="dynamic"))
