"""What a field of a struct of options says of itself: help, range, spelling at the command line.

A field is declared once, ``name: Annotated[type, Flag(...)] = default``. The command line is made
of these declarations, and :func:`complete` holds values from Python to them. The text below a
field goes into the API reference; what stands before a colon in its first line would be shown as
the field's type.
"""

import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from edgeseg.errors import UsageError, field_name
from edgeseg.text.suggestions import did_you_mean
from edgeseg_converters.partition.registry import Strategy, names_of

Section: TypeAlias = Literal["cut", "compression", "search", "image"]
"""Fields of a section stand together in the help."""
SECTIONS: tuple[Section, ...] = get_args(Section)


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers from ``least`` to ``most``.

    Attributes
    ----------
    remedy
        What to give instead, for the error.
    inclusive
        Whether the least is one of them.
    in_help
        Whether the help shows the range.
    """

    least: float
    most: float = math.inf
    remedy: str = "give a number above 0"
    inclusive: bool = True
    in_help: bool = False

    def __contains__(self, value: float) -> bool:
        """Tell whether a finite number is in the range."""
        above = self.least <= value if self.inclusive else self.least < value
        return above and value <= self.most and value < math.inf


@dataclass(frozen=True, kw_only=True)
class Flag:
    """What a field is for, and how it is given as text.

    Attributes
    ----------
    help
        One line; ``{strategies}`` stands for those that heed the field.
    section
        What it belongs to.
    metavar
        What stands for its value in the help.
    spelling
        The parameter at the command line, where that is not the field's name.
    choices
        Returns the values that it takes, where these are few.
    range
        The numbers that it takes.
    heeded
        Whether a strategy heeds it, where not all do.
    parse
        Reads the value where it is given as text or path.
    parsed_with
        Another field that ``parse`` needs the value of.
    text_type
        Of the value at the command line, where it is parsed.
    hides_default
        Whether the command line tells a value that is not given from the default.
    recorded
        Place among the settings in the manifest; None where it is not kept there.
    recorded_if_given
        Whether it stands behind these where it is given, so that other bundles do without.
    """

    help: str
    section: Section
    metavar: str | None = None
    spelling: str | None = None
    choices: Callable[[], Collection[str]] | None = None
    range: Range | None = None
    heeded: Callable[[Strategy], bool] | None = None
    parse: Callable[..., Any] | None = None
    parsed_with: str | None = None
    text_type: type = str
    hides_default: bool = False
    recorded: int | None = None
    recorded_if_given: bool = False

    @property
    def help_line(self) -> str:
        """The help, with the strategies that heed the field filled in."""
        if self.heeded is None:
            return self.help
        *others, last = names_of(self.heeded)
        return self.help.format(strategies=f"{', '.join(others)} and {last}" if others else last)


@cache
def flags_of(struct: type[msgspec.Struct]) -> Mapping[str, Flag]:
    """Return what each field of a struct says of itself, in order.

    Raises
    ------
    TypeError
        If a field says nothing, so that it would be missing at the command line.
    """
    flags: dict[str, Flag] = {}
    for name, annotation in inspect.get_annotations(struct).items():
        found = [item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, Flag)]
        if len(found) != 1:
            raise TypeError(f"{struct.__name__}.{name} needs one Flag in its annotation")
        flags[name] = found[0]
    return flags


def complete(options: msgspec.Struct) -> None:
    """Parse the fields that are given as text, and refuse values out of range.

    To be called first in ``__post_init__``.

    Raises
    ------
    UsageError
        If a value can't be read, is unknown or is out of range.
    """
    flags = flags_of(type(options))
    for field, flag in flags.items():
        value = getattr(options, field)
        if flag.parse is not None and isinstance(value, str | Path):
            context = () if flag.parsed_with is None else (getattr(options, flag.parsed_with),)
            msgspec.structs.force_setattr(options, field, flag.parse(value, *context))
    for field, flag in flags.items():
        value = getattr(options, field)
        if value is not None:
            _check(field, value, flag)


def check_heeded(options: msgspec.Struct, strategy: str) -> None:
    """Refuse fields that a strategy does not heed.

    Raises
    ------
    UsageError
        If such a field is given; it names the strategies that heed it.
    """
    for field, flag in flags_of(type(options)).items():
        if flag.heeded is None or getattr(options, field) is None:
            continue
        heeding = names_of(flag.heeded)
        if strategy not in heeding:
            raise UsageError(
                f"{field_name(field)} tells {field_name('strategy')} {strategy} nothing; leave it "
                f"out, or choose one of {', '.join(sorted(heeding))}"
            )


def recorded_fields(options: msgspec.Struct) -> Iterator[str]:
    """Yield the fields that a manifest keeps, in its order."""
    flags = flags_of(type(options))
    places = {field: flag.recorded for field, flag in flags.items() if flag.recorded is not None}
    yield from sorted(places, key=places.__getitem__)


def given_and_recorded(options: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """Yield the fields that a manifest keeps where they are given, with their values."""
    for field, flag in flags_of(type(options)).items():
        value = getattr(options, field)
        if flag.recorded_if_given and value is not None:
            yield field, value


def _check(field: str, value: Any, flag: Flag) -> None:
    known = None if flag.choices is None else flag.choices()
    if known is not None and value not in known:
        near = did_you_mean(value, known)
        raise UsageError(
            f"{field_name(field)} is {value!r}; choose one of {', '.join(known)}{near}"
        )
    if flag.range is not None and value not in flag.range:
        raise UsageError(f"{field_name(field)} is {value:g}; {flag.range.remedy}")
