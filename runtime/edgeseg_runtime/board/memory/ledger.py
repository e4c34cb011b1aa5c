"""The byte budget of a process: nothing is held that was not entered here first. Pure."""

from edgeseg.errors import BoardError, field_name
from edgeseg.text.units import format_bytes


class Ledger:
    """Accounts for the memory of a process against the limit that it promised.

    Invariant: ``held <= limit`` at all times; an entry that would break it is refused whole.

    Parameters
    ----------
    limit
        Bytes that may be held in all.
    base
        Bytes that the process holds before any entry.
    """

    def __init__(self, limit: int, base: int) -> None:
        self.limit = limit
        self.base = base
        self._entries = {"process": base}
        if base > limit:
            raise BoardError(
                f"a memory limit of {format_bytes(limit)} is less than the {format_bytes(base)} "
                f"that the worker itself takes; raise {field_name('memory_limit')}"
            )

    @property
    def held(self) -> int:
        """Bytes entered now."""
        return sum(self._entries.values())

    @property
    def free(self) -> int:
        """Bytes that can still be entered."""
        return self.limit - self.held

    def enter(self, name: str, count: int) -> None:
        """Enter bytes under a name that is not in use.

        Raises
        ------
        BoardError
            If they don't fit; the message says the numbers.
        """
        if name in self._entries:
            raise ValueError(f"{name} is entered already")
        if count > self.free:
            raise BoardError(
                f"{name} needs {format_bytes(count)}, {format_bytes(self.free)} of "
                f"{format_bytes(self.limit)} are free"
            )
        self._entries[name] = count

    def correct(self, name: str, excess: int) -> None:
        """Enter memory that was measured beyond all entries; a negative excess changes nothing.

        Raises
        ------
        BoardError
            If it doesn't fit; the message says the numbers.
        """
        if excess > 0:
            self.enter(name, excess)
