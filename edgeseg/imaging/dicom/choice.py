"""How a text chooses a series of a study, and an acquisition of the series."""

import re
from dataclasses import dataclass

_CHOICE = re.compile(r"(?:(?P<series>.*),)?\s*acquisition=(?P<number>\d{1,9})\s*", re.DOTALL)


@dataclass(frozen=True)
class SeriesChoice:
    """Which series is wanted, and which acquisition of it; None where there is but one."""

    series: str | None
    acquisition: int | None


def parse_choice(text: str | None) -> SeriesChoice:
    """Read a choice: a series, ``acquisition=2``, or both with a comma between them."""
    match = _CHOICE.fullmatch(text or "")
    if match is None:
        return SeriesChoice(text, None)
    return SeriesChoice(match["series"], int(match["number"]))


def choice_text(series: str | None, acquisition: int | None) -> str | None:
    """Return the text that :func:`parse_choice` reads; None where nothing is chosen."""
    parts = [] if series is None else [series]
    if acquisition is not None:
        parts.append(f"acquisition={acquisition}")
    return ",".join(parts) or None
