"""Which trial is taken depends on their figures alone."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg_converters.compare.comparison import ComparedModel, RegionFigures
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.search.choose import (
    FIGURES,
    PATIENCE,
    MeasuredRecipe,
    hopeless,
    judge,
)
from edgeseg_converters.search.goal import PREFERENCES

LIMIT = 0.01


def trial(
    name: str,
    drops: Sequence[float | None],
    size: int = 100,
    ms: float = 10.0,
    memory: int = 1000,
) -> MeasuredRecipe:
    regions = tuple(
        RegionFigures(f"region {index}", 0.9, None if drop is None else -drop, None, {}, 0, 0)
        for index, drop in enumerate(drops)
    )
    entry = ComparedModel(name, name, size, regions, 0.99, ms, memory)
    return MeasuredRecipe(name, Recipe(), entry)


def kinds(trials: Sequence[MeasuredRecipe], prefer: str = "size") -> list[str]:
    return [verdict.kind for verdict in judge(trials, LIMIT, prefer)]


TRIALS = st.lists(
    st.builds(
        lambda drop, size, ms, memory: trial("any", [drop], size, ms, memory),
        st.floats(-0.01, 0.03),
        st.integers(1, 1000),
        st.floats(0.1, 1000),
        st.integers(1, 10**6),
    ),
    max_size=12,
)


@given(TRIALS, st.sampled_from(PREFERENCES))
def test_what_is_chosen_is_within_the_limit_and_nothing_within_is_clearly_less(
    trials: list[MeasuredRecipe], prefer: str
) -> None:
    found = [
        one for one, kind in zip(trials, kinds(trials, prefer), strict=True) if kind == "chosen"
    ]
    within = [one for one in trials if one.drop <= LIMIT]
    assert len(found) == bool(within)
    for chosen in found:
        assert chosen.drop <= LIMIT
        figures = [FIGURES[prefer](one.entry) for one in within]
        allowed = 1.0 if prefer == "size" else 0.95
        assert allowed * FIGURES[prefer](chosen.entry) <= min(figures)


@given(TRIALS, st.sampled_from(PREFERENCES))
def test_every_trial_has_a_verdict_that_its_drop_allows(
    trials: list[MeasuredRecipe], prefer: str
) -> None:
    verdicts = judge(trials, LIMIT, prefer)
    for one, verdict in zip(trials, verdicts, strict=True):
        assert (verdict.kind == "beyond") == (one.drop > LIMIT)
        assert (verdict.kind == "left out") == (verdict.than is not None)


def test_a_step_that_makes_it_larger_or_slower_is_left_out() -> None:
    trials = [
        trial("exact", [0], size=100, ms=10),
        trial("slow", [0], size=50, ms=12),
        trial("large", [0], size=60, ms=5),
        trial("strong", [0.02], size=10, ms=1),
    ]
    assert kinds(trials) == ["within", "chosen", "left out", "beyond"]
    assert judge(trials, LIMIT, "size")[2].than == "slow"
    assert kinds(trials, "latency") == ["within", "left out", "chosen", "beyond"]
    assert judge(trials, LIMIT, "latency")[1].than == "exact"


def test_each_preference_takes_another() -> None:
    trials = [
        trial("light", [0], size=100, ms=10, memory=100),
        trial("fast", [0], size=90, ms=5, memory=200),
        trial("small", [0], size=50, ms=9, memory=300),
    ]
    for prefer, name in (("memory", "light"), ("latency", "fast"), ("size", "small")):
        taken = kinds(trials, prefer).index("chosen")
        assert trials[taken].name == name


def test_times_that_are_hardly_apart_are_the_same() -> None:
    trials = [trial("mild", [0], ms=10), trial("strong", [0], ms=9.7)]
    assert kinds(trials, "latency") == ["chosen", "left out"]


def test_the_worst_region_counts() -> None:
    assert trial("any", [0.001, 0.02, None]).drop == 0.02
    assert trial("any", [-0.01, -0.02]).drop == -0.01


@pytest.mark.parametrize(
    ("drops", "expected"),
    [
        ([0.02] * PATIENCE, True),
        ([0.02] * (PATIENCE - 1), False),
        ([0.0, *[0.02] * PATIENCE], True),
        ([*[0.02] * PATIENCE, 0.0], False),
        ([0.02, 0.0, 0.02, 0.02], False),
    ],
)
def test_several_in_a_row_beyond_the_limit_end_a_search(drops: list[float], expected: bool) -> None:
    assert hopeless([trial("any", [drop]) for drop in drops], LIMIT) == expected
