"""Reads the parts of a marshalled Python function that tell what it computes, without running it.

Python's own reader is not made for files of strangers; this one knows plain values alone.
"""

import struct
from dataclasses import dataclass
from typing import Any

_MOST_BYTES = 4096
"""Bytes of a longer function are not looked at: what is recognised fits in a line."""


@dataclass(frozen=True)
class FunctionCode:
    """A function of one expression.

    Attributes
    ----------
    arguments
        How many it takes.
    code
        Its instructions, an operation and an argument each.
    constants, names
        What its instructions refer to by number.
    """

    arguments: int
    code: bytes
    constants: tuple[Any, ...]
    names: tuple[str, ...]


def read_function(content: bytes) -> FunctionCode | None:
    """Read a marshalled function; None if it is none, or holds anything but plain values."""
    if len(content) > _MOST_BYTES:
        return None
    try:
        return _Reader(content).function()
    except (IndexError, KeyError, TypeError, ValueError, struct.error, RecursionError):
        return None


def _are_names(value: Any) -> bool:
    """Tell whether a value is a tuple of names alone.

    Tuples that hold others twice, level by level, are short here and endless as text.
    """
    return isinstance(value, tuple) and all(isinstance(name, str) for name in value)


class _Reader:
    """Reads value after value; some refer to those read before."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0
        self._known: list[Any] = []

    def function(self) -> FunctionCode:
        kind = self._bytes(1)[0]
        if kind & 0x7F != ord("c"):
            raise ValueError("no function")
        if kind & 0x80:
            self._known.append(None)
        arguments = self._number()
        # Four numbers follow, or five: instructions are bytes and no number.
        while self._content[self._at] & 0x7F != ord("s") or self._at < 1 + 4 * 5:
            self._number()
            if self._at > 1 + 4 * 6:
                raise ValueError("no function")
        code, constants, names = self._value(), self._value(), self._value()
        if not (isinstance(code, bytes) and isinstance(constants, tuple) and _are_names(names)):
            raise TypeError("no function")
        return FunctionCode(arguments, code, constants, names)

    def _value(self) -> Any:
        kind = self._bytes(1)[0]
        place = len(self._known)
        if kind & 0x80:
            self._known.append(None)
        value = self._plain(chr(kind & 0x7F))
        if kind & 0x80:
            self._known[place] = value
        return value

    def _plain(self, kind: str) -> Any:
        match kind:
            case "N" | "T" | "F":
                value: Any = {"N": None, "T": True, "F": False}[kind]
            case "i":
                value = self._number()
            case "g":
                (value,) = struct.unpack("<d", self._bytes(8))
            case "r":
                value = self._known[self._number()]
            case "z" | "Z":
                value = self._bytes(self._bytes(1)[0]).decode("ascii")
            case "a" | "A" | "u" | "t":
                value = self._bytes(self._number()).decode()
            case "s":
                value = self._bytes(self._number())
            case "(" | ")":
                count = self._bytes(1)[0] if kind == ")" else self._number()
                value = tuple(self._value() for _ in range(count))
            case _:
                raise ValueError(f"no plain value: {kind}")
        return value

    def _number(self) -> int:
        return int(struct.unpack("<i", self._bytes(4))[0])

    def _bytes(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._content):
            raise IndexError(count)
        self._at += count
        return self._content[self._at - count : self._at]
