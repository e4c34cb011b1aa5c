"""One tree of errors, each with the exit code of its kind, and how messages name parameters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Spelling = Callable[[str], str]


class EdgesegError(Exception):
    """Something failed in a way the user can act on.

    The message is one line: what happened, and what to do about it.
    """

    exit_code = 1


class UsageError(EdgesegError):
    """The command or the call itself is wrong: parameters, values, combinations."""

    exit_code = 2


class ModelError(EdgesegError):
    """The Keras model can't be read or can't be compiled."""


class BudgetError(EdgesegError):
    """No partition meets the complexity budget."""


class BundleError(EdgesegError):
    """The bundle is corrupt, foreign, or of a newer format."""


class VolumeError(EdgesegError):
    """The scan or the image can't be used."""


class OutputError(EdgesegError):
    """A result can't be written."""


class BoardError(EdgesegError):
    """A board can't be reached, refused its pieces, or vanished."""


class PlacementError(EdgesegError):
    """No placement of the pieces fits the boards."""


class WireError(EdgesegError):
    """A message from the network breaks the protocol."""


def field_name(field: str) -> str:
    """Return what the caller knows a parameter as, for a message.

    In Python that is the parameter's own name, such as ``max_partitions``; while a command of
    the command line runs it is the flag, such as ``--max-partitions``. Messages are to be written
    when they are needed: a constant would keep the spelling of the import.
    """
    return _spelling(field)


@contextmanager
def fields_spelled(spelling: Spelling) -> Iterator[None]:
    """Let messages of the whole process name parameters as ``spelling`` does, for a block.

    It holds for all threads, since messages come from threads that work for a command.
    """
    global _spelling  # noqa: PLW0603 - like a locale: how this process talks to its user
    before, _spelling = _spelling, spelling
    try:
        yield
    finally:
        _spelling = before


def _as_in_python(field: str) -> str:
    return field


_spelling: Spelling = _as_in_python
