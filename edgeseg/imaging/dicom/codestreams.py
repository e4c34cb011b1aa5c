"""What a compressed slice says of its own size: a decoder would believe it, and not the header."""

from typing import Final, NamedTuple

_JPEG: Final = b"\xff\xd8"
_JPEG_2000: Final = b"\xff\x4f\xff\x51"
_JP2_BOX: Final = b"jP  "
_FRAME_STARTS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that its size follows; the last is that of JPEG-LS."""

_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


class StatedSize(NamedTuple):
    """Rows, columns and components of a picture."""

    rows: int
    cols: int
    components: int


def stated_size(stream: bytes) -> StatedSize | None:
    """Return the size that a JPEG, JPEG-LS or JPEG 2000 states; None where it states none.

    Raises
    ------
    IndexError, ValueError
        If it ends before.
    """
    if stream[4:8] == _JP2_BOX:  # against the standard, but decoders take it
        stream = stream[stream.index(_JPEG_2000) :]
    if stream.startswith(_JPEG_2000):
        return _of_jpeg_2000(stream)
    return _of_jpeg(stream) if stream.startswith(_JPEG) else None


def _of_jpeg(stream: bytes) -> StatedSize:
    place = len(_JPEG)
    while True:
        marker = stream[place + 1]
        if stream[place] != 0xFF:
            raise IndexError("no marker where one should be")
        if marker == 0xFF:  # fill
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        elif marker in _FRAME_STARTS:
            rows, cols = _number(stream, place + 5, 2), _number(stream, place + 7, 2)
            return StatedSize(rows, cols, stream[place + 9])
        else:
            place += 2 + _number(stream, place + 2, 2)


def _of_jpeg_2000(stream: bytes) -> StatedSize:
    """Read the SIZ marker: the extent of the reference grid less the offset of the image in it."""
    right, bottom, left, top = (_number(stream, start, 4) for start in (8, 12, 16, 20))
    return StatedSize(bottom - top, right - left, _number(stream, 40, 2))


def _number(stream: bytes, start: int, size: int) -> int:
    part = stream[start : start + size]
    if len(part) < size:
        raise IndexError("it ends within its head")
    return int.from_bytes(part, "big")
