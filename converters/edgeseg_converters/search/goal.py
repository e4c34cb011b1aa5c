"""What a search is asked for: the Dice that may be lost, where it is measured, what is best."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from edgeseg.errors import UsageError, field_name
from edgeseg_converters.flags import Flag, Range, complete
from edgeseg_converters.notation import parse_names

PREFERENCES = ("size", "latency", "memory")
"""What the chosen bundle can be best in."""


class SearchGoal(msgspec.Struct, frozen=True, kw_only=True):
    """Goal of a search over recipes; fields may also be given as text, as at the command line.

    Raises
    ------
    UsageError
        If a value is unknown or out of range.
    """

    max_dice_drop: Annotated[
        float,
        Flag(
            section="search",
            metavar="D",
            help="Try recipes, and take the best bundle that loses no more Dice: 0.005.",
            range=Range(least=0, most=1, remedy="give a number in 0..1, such as 0.005"),
        ),
    ]
    """Dice that may be lost against the Keras model, mean over patients of the worst region."""

    validate: Annotated[
        Path,
        Flag(
            section="search",
            metavar="FOLDER",
            help="Labelled slices to measure --max-dice-drop on.",
            parse=Path,
            text_type=Path,
        ),
    ]
    """Folder of labelled slices to measure on, none of them calibrated on."""

    patients: Annotated[
        Sequence[str] | None,
        Flag(
            section="search",
            metavar="A,B,...",
            help="Validate on these patients alone.",
            parse=parse_names,
        ),
    ] = None
    """Measure on these patients alone."""

    prefer: Annotated[
        str,
        Flag(
            section="search",
            help="What is best within --max-dice-drop; size if not given.",
            choices=lambda: PREFERENCES,
            hides_default=True,
        ),
    ] = "size"
    """What should be least, one of ``size``, ``latency`` and ``memory``."""

    def __post_init__(self) -> None:
        """Refuse what can't be done."""
        complete(self)


def goal_from(fields: Mapping[str, Any], calibration: Path | None) -> SearchGoal | None:
    """Return the search that fields of :class:`SearchGoal` ask for, or None where none does.

    Parameters
    ----------
    fields
        Those that are given.
    calibration
        What is calibrated on, which a search needs.

    Raises
    ------
    UsageError
        If fields of a search stand alone, or one that it needs is missing.
    """
    limit = field_name("max_dice_drop")
    if "max_dice_drop" not in fields:
        for field in fields:
            raise UsageError(f"{field_name(field)} is part of a search; give {limit} too")
        return None
    if "validate" not in fields:
        raise UsageError(f"{limit} needs {field_name('validate')} with a folder of labelled slices")
    require_calibration(calibration)
    return SearchGoal(**fields)


def require_calibration(calibration: Path | None) -> Path:
    """Return what is calibrated on.

    Raises
    ------
    UsageError
        If there is none, which a search can't do without.
    """
    if calibration is None:
        raise UsageError(
            f"{field_name('max_dice_drop')} needs {field_name('calibration')} with slices of "
            f"other patients than {field_name('validate')}'s"
        )
    return calibration
