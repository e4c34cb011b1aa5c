"""How long work tells of its progress: to whatever its caller gave it, which may draw it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

Tell: TypeAlias = Callable[[str], None]
"""Called with one line that somebody may want to know."""


class Advance(Protocol):
    """Tells that steps of a job are done."""

    def __call__(self, n: float = 1, note: str | None = None) -> None:
        """Count ``n`` more steps, and say what goes on now if a note is given."""


class Progress(Protocol):
    """Tells that a job begins and, with the end of the block, that it is over.

    Functions that take a while have a parameter of this type. Commands give
    :func:`edgeseg.output.terminal.progress`, which draws a bar; others give nothing, or a function
    of their own::

        with progress(len(files), "reading", unit="files") as advance:
            for file in files:
                read(file)
                advance()
    """

    def __call__(
        self, total: float | None, description: str, unit: str = "", *, estimate: bool = True
    ) -> AbstractContextManager[Advance]:
        """Begin a job.

        Parameters
        ----------
        total
            How many steps it has; None if nobody knows.
        description
            What is going on, in a few words.
        unit
            What the steps count, if their speed is worth showing.
        estimate
            Whether the time left may be told from the speed so far.
        """


@contextmanager
def silent(
    total: float | None,  # noqa: ARG001 - a Progress has these parameters
    description: str,  # noqa: ARG001
    unit: str = "",  # noqa: ARG001
    *,
    estimate: bool = True,  # noqa: ARG001
) -> Iterator[Advance]:
    """Tell nobody: the :class:`Progress` of a caller that gives none."""
    yield _ignore


def untold(line: str) -> None:
    """Tell nobody: the :data:`Tell` of a caller that gives none."""


def _ignore(n: float = 1, note: str | None = None) -> None:
    """Take in that steps are done."""
