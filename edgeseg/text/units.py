"""Reads and writes byte counts, link rates and times as people do."""

import re

from edgeseg.errors import UsageError

_FACTORS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}
_BITS = {"BIT": 1, "KBIT": 10**3, "MBIT": 10**6, "GBIT": 10**9}
_SECONDS = {"": 1, "S": 1, "MIN": 60, "H": 3600}
_WRITTEN_BITS = {"Gbit": 10**9, "Mbit": 10**6, "kbit": 10**3}
_PATTERN = re.compile(r"(?P<number>\d{1,18}(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)", re.ASCII)

MIB = 2**20


def parse_bytes(text: str) -> int:
    """Read a byte count such as ``512MiB``, ``1.5 GB`` or ``4096``.

    Raises
    ------
    UsageError
        If the text is no positive number with a known unit.
    """
    match = _PATTERN.fullmatch(text.strip())
    factor = _FACTORS.get(match["unit"].upper()) if match else None
    if match is None or factor is None:
        raise UsageError(f"{text!r} is no byte count; write it like 512MiB, 1.5GB or 4096")
    count = round(float(match["number"]) * factor)
    if count <= 0:
        raise UsageError(f"{text!r} must be more than zero bytes")
    return count


def parse_rate(text: str) -> float:
    """Read the rate of a link such as ``100Mbit`` or ``2.5 Gbit/s`` as bytes a second.

    Raises
    ------
    UsageError
        If the text is no positive number of bits with a known unit.
    """
    match = _PATTERN.fullmatch(text.strip().removesuffix("/s"))
    factor = _BITS.get(match["unit"].upper()) if match else None
    if match is None or factor is None:
        raise UsageError(f"{text!r} is no rate of a link; write it like 100Mbit or 1Gbit")
    rate = float(match["number"]) * factor / 8
    if rate <= 0:
        raise UsageError(f"{text!r} must be more than zero bits a second")
    return rate


def parse_seconds(text: str) -> float:
    """Read a time such as ``90``, ``30s``, ``2min`` or ``1.5h``.

    Raises
    ------
    UsageError
        If the text is no number with a known unit.
    """
    match = _PATTERN.fullmatch(text.strip())
    factor = _SECONDS.get(match["unit"].upper()) if match else None
    if match is None or factor is None:
        raise UsageError(f"{text!r} is no time; write it like 90, 30s, 2min or 1h")
    return float(match["number"]) * factor


def format_rate(rate: float) -> str:
    """Write bytes a second as :func:`parse_rate` reads it, to four digits: ``943.2Mbit``."""
    bits = rate * 8
    unit, factor = next(
        ((unit, factor) for unit, factor in _WRITTEN_BITS.items() if bits >= factor), ("bit", 1)
    )
    return f"{float(f'{bits / factor:.4g}'):g}{unit}"


def format_bytes(count: float) -> str:
    """Write a byte count in the largest binary unit that keeps it above one: ``484 MiB``."""
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB"))


def format_count(count: float) -> str:
    """Write a large count with a decimal prefix: ``96.2 G``."""
    return _scaled(count, 1000, ("", "k", "M", "G", "T"))


def format_seconds(seconds: float) -> str:
    """Write a duration in its two largest units: ``45 s``, ``3 min 5 s``, ``2 d 4 h``."""
    remaining, parts = round(seconds), list[str]()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, remaining = divmod(remaining, length)
        if count:
            parts.append(f"{count} {unit}")
        if len(parts) == 2 or (parts and not count):
            break
    return " ".join(parts) or "0 s"


def _scaled(count: float, factor: int, units: tuple[str, ...]) -> str:
    """Write a number with one decimal where it has less than three digits and a prefix."""
    size = float(count)
    power = 0
    while abs(size) >= factor and power < len(units) - 1:
        size /= factor
        power += 1
    digits = 1 if power and abs(size) < 100 else 0
    return f"{size:.{digits}f} {units[power]}".rstrip()
