"""Which search the fields ask for, and which of them can't stand together."""

from pathlib import Path
from typing import Any

import pytest

from edgeseg.errors import UsageError
from edgeseg_converters.search.goal import SearchGoal, goal_from

LABELLED, SLICES = Path("labelled"), Path("slices")
WHOLE = {"max_dice_drop": 0.01, "validate": LABELLED}


def test_a_search_has_a_limit_and_two_folders() -> None:
    assert goal_from({**WHOLE, "patients": "a, b", "prefer": "memory"}, SLICES) == SearchGoal(
        max_dice_drop=0.01, validate=LABELLED, patients=("a", "b"), prefer="memory"
    )
    assert goal_from(WHOLE, SLICES) == SearchGoal(max_dice_drop=0.01, validate=LABELLED)
    assert goal_from({}, SLICES) is None
    assert SearchGoal(**WHOLE).prefer == "size"


@pytest.mark.parametrize(
    ("fields", "calibration", "message"),
    [
        ({"max_dice_drop": 0.01}, SLICES, "needs validate"),
        (WHOLE, None, "needs calibration"),
        ({"validate": LABELLED}, SLICES, "validate is part of a search"),
        ({"patients": "a"}, SLICES, "patients is part of a search"),
        ({"prefer": "size"}, SLICES, "prefer is part of a search"),
    ],
)
def test_half_a_search_is_refused(
    fields: dict[str, Any], calibration: Path | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        goal_from(fields, calibration)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_dice_drop": 1.5}, r"max_dice_drop is 1\.5; give a number in 0\.\.1, such as 0\.005"),
        ({"max_dice_drop": -0.1}, "max_dice_drop is -0.1"),
        ({"max_dice_drop": float("nan")}, "max_dice_drop is nan"),
        ({"prefer": "speed"}, "prefer is 'speed'; choose one of size, latency, memory"),
    ],
)
def test_a_goal_out_of_range_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SearchGoal(**{**WHOLE, **fields})
