"""What the flags of ``edgeseg convert`` ask for: one recipe, or a search over several."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from edgeseg.errors import UsageError, field_name
from edgeseg_converters.compress.recipe import chosen_recipe, with_sparse_encoding
from edgeseg_converters.search.choose import Preference
from edgeseg_converters.search.ladder import Rung, ladder


@dataclass(frozen=True)
class SearchGoal:
    """A search: how much Dice may be lost, where that is measured, and what should be least."""

    drop: float
    validate: Path
    calibration: Path
    patients: tuple[str, ...] | None
    prefer: Preference


def asked_search(
    drop: float | None,
    validate: Path | None,
    calibration: Path | None,
    patients: str | None,
    prefer: str | None,
) -> SearchGoal | None:
    """Return the search that is asked for, or None.

    Raises
    ------
    UsageError
        If flags of a search stand alone, or one that it needs is missing.
    """
    if drop is None:
        alone = {
            field_name("validate"): validate,
            field_name("patients"): patients,
            field_name("prefer"): prefer,
        }
        for flag, value in alone.items():
            if value is not None:
                raise UsageError(
                    f"{flag} is part of a search; give {field_name('max_dice_drop')} too"
                )
        return None
    if validate is None:
        raise UsageError(
            f"{field_name('max_dice_drop')} needs {field_name('validate')} with a folder of "
            "labelled slices"
        )
    if calibration is None:
        raise UsageError(
            f"{field_name('max_dice_drop')} needs {field_name('calibration')} with slices of "
            f"other patients than {field_name('validate')}'s"
        )
    names = None if patients is None else tuple(name.strip() for name in patients.split(","))
    return SearchGoal(drop, validate, calibration, names, cast(Preference, prefer or "size"))


def asked_rungs(
    recipe: str | None, prune_ratio: float | None, quantize: str | None, *, sparse_encoding: bool
) -> tuple[Rung, ...]:
    """Return the one recipe that is asked for, or the whole ladder, which begins with ``exact``.

    A search over one recipe only holds it to the limit.

    Raises
    ------
    UsageError
        If recipe and shorthands are combined, or a value is out of range.
    """
    if recipe is None and prune_ratio is None and quantize is None:
        rungs = ladder()
    else:
        name = "recipe" if recipe is None else Path(recipe).stem
        rungs = (Rung(name, chosen_recipe(recipe, prune_ratio, quantize)),)
    if not sparse_encoding:
        return rungs
    return tuple(Rung(rung.name, with_sparse_encoding(rung.recipe)) for rung in rungs)
