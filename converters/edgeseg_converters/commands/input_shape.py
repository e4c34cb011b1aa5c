"""The input size as people write it on the command line: ``256,256`` or ``256,256,1``."""

from edgeseg.errors import UsageError

_AXES = (2, 3)


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
