"""Numbers as people write them behind the flags of ``edgeseg convert``."""

from edgeseg.errors import UsageError
from edgeseg.text.units import parse_bytes

_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_complexity(text: str, metric: str) -> int:
    """Read a budget such as ``5G`` or ``1.5M``, or bytes such as ``512MiB`` for memory.

    Raises
    ------
    UsageError
        If the text is no positive number with a known suffix.
    """
    if metric == "memory":
        return parse_bytes(text)
    number, suffix = text.strip(), ""
    if number and number[-1].upper() in _FACTORS:
        number, suffix = number[:-1], number[-1].upper()
    try:
        count = round(float(number) * _FACTORS[suffix])
    except (ValueError, OverflowError):
        count = 0
    if count <= 0:
        raise UsageError(f"--max-complexity {text!r} is no count; write it like 5G, 1.5M or 900000")
    return count


def parse_window(text: str) -> tuple[float, float]:
    """Read two HU such as ``0,255``.

    Raises
    ------
    UsageError
        If the text is no pair of numbers.
    """
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--window {text!r} is no pair of HU; write it like 0,255") from None
    return low, high
