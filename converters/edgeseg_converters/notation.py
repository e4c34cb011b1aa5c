"""Values as people write them: ``5G``, ``0,255``, ``256,256,1``, ``kidney, tumor``."""

from edgeseg.errors import UsageError, field_name
from edgeseg.text.units import parse_bytes

_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_AXES = (2, 3)


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
        raise UsageError(
            f"{field_name('max_complexity')} {text!r} is no count; write it like 5G, 1.5M or 900000"
        )
    return count


def parse_window(text: str) -> tuple[float, float] | tuple[tuple[float, float], ...]:
    """Read two HU such as ``0,255``, or several such pairs with ``;`` between them.

    Raises
    ------
    UsageError
        If the text is no pair of numbers.
    """
    return _pairs(text, f"{field_name('window')} {text!r} is no pair of HU; write it like 0,255")


def parse_normalize(text: str) -> tuple[float, float] | tuple[tuple[float, float], ...]:
    """Read a mean and a standard deviation such as ``101,76.9``, or several such pairs.

    Raises
    ------
    UsageError
        If the text is no pair of numbers.
    """
    name = field_name("normalize")
    return _pairs(text, f"{name} {text!r} is no mean and deviation; write it like 101,76.9")


def parse_input_range(text: str) -> tuple[float, float]:
    """Read the two numbers that a model's darkest and brightest input are, such as ``0,255``.

    Raises
    ------
    UsageError
        If the text is no pair of numbers.
    """
    name = field_name("input_range")
    return _pair(text, f"{name} {text!r} is no pair of numbers; write it like -1,1")


def parse_input_shape(text: str) -> tuple[int, ...]:
    """Read ``H,W`` or ``H,W,C``.

    Raises
    ------
    UsageError
        If the text is not two or three positive whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in _AXES or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"{text!r} is no input shape; write it like 256,256 or 256,256,1")
    return tuple(map(int, parts))


def parse_names(text: str) -> tuple[str, ...]:
    """Read names that commas separate."""
    return tuple(name.strip() for name in text.split(","))


def parse_background(text: str) -> int | str:
    """Read a channel's number, ``first``, ``last`` or ``none``.

    Raises
    ------
    UsageError
        If the text is none of these.
    """
    word = text.strip().casefold()
    if word in {"first", "last", "none"}:
        return word
    if word.isdecimal():
        return int(word)
    raise UsageError(
        f"{field_name('background')} {text!r} is no channel; write its number from 0, first, last "
        "or none"
    )


def parse_output(text: str) -> int | str:
    """Read the number of an output of a model, or its name."""
    word = text.strip()
    return int(word) if word.isdecimal() else word


def _pairs(text: str, complaint: str) -> tuple[float, float] | tuple[tuple[float, float], ...]:
    first, *others = (_pair(part, complaint) for part in text.split(";"))
    return (first, *others) if others else first


def _pair(text: str, complaint: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(complaint) from None
    return low, high
