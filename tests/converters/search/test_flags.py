"""Which search the flags ask for, and which of them can't stand together."""

from pathlib import Path
from typing import Any

import pytest

from edgeseg.errors import UsageError
from edgeseg_converters.compress.recipe import Recipe, Zeros, read_recipe
from edgeseg_converters.search.flags import SearchGoal, asked_rungs, asked_search
from edgeseg_converters.search.ladder import ladder

LABELLED, SLICES = Path("labelled"), Path("slices")


def test_a_search_has_a_limit_and_two_folders() -> None:
    assert asked_search(0.01, LABELLED, SLICES, "a, b", "memory") == SearchGoal(
        0.01, LABELLED, SLICES, ("a", "b"), "memory"
    )
    assert asked_search(0.01, LABELLED, SLICES, None, None) == SearchGoal(
        0.01, LABELLED, SLICES, None, "size"
    )
    assert asked_search(None, None, SLICES, None, None) is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((0.01, None, SLICES, None, None), "needs validate"),
        ((0.01, LABELLED, None, None, None), "needs calibration"),
        ((None, LABELLED, SLICES, None, None), "validate is part of a search"),
        ((None, None, SLICES, "a", None), "patients is part of a search"),
        ((None, None, SLICES, None, "size"), "prefer is part of a search"),
    ],
)
def test_half_a_search_is_refused(flags: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked_search(*flags)


def test_without_a_recipe_the_ladder_is_climbed() -> None:
    assert asked_rungs(None, None, None, sparse_encoding=False) == ladder()
    assert all(
        one.recipe.sparse_encoding for one in asked_rungs(None, None, None, sparse_encoding=True)
    )


def test_a_recipe_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('quantize = "float16"')
    (preset,) = asked_rungs("paper", None, None, sparse_encoding=False)
    (own,) = asked_rungs(str(file), None, None, sparse_encoding=True)
    (short,) = asked_rungs(None, 0.5, "int8", sparse_encoding=False)
    assert (preset.name, preset.recipe) == ("paper", read_recipe("paper"))
    assert (own.name, own.recipe) == ("mine", Recipe(quantize="float16", sparse_encoding=True))
    assert (short.name, short.recipe) == ("recipe", Recipe(zeros=Zeros(0.5), quantize="int8"))


def test_what_cant_be_sparse_is_refused() -> None:
    with pytest.raises(UsageError, match=r"sparse_encoding can't be used: .*dynamic"):
        asked_rungs(None, None, "dynamic", sparse_encoding=True)
