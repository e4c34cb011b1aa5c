"""Opens pieces: the engine of each format, in one table.

A package of its own registers its :class:`~edgeseg.inference.engine_protocol.PieceFormat` as an
entry point of the group ``edgeseg.engines``; it is looked for only where a piece is of no
built-in format.
"""

from functools import cache
from pathlib import Path

from edgeseg.bundle.manifest import TFLITE
from edgeseg.errors import EdgesegError
from edgeseg.inference.engine_protocol import Engine, PieceFormat
from edgeseg.inference.process_memory import release_pages
from edgeseg.inference.tflite_engine import TfliteEngine, litert_name
from edgeseg.plugins import plugins

GROUP = "edgeseg.engines"
BUILT_IN = (PieceFormat(TFLITE, TfliteEngine, litert_name),)


def open_engine(
    model: bytes | Path, file_format: str = TFLITE, threads: int = 1, *, warm: bool = False
) -> Engine:
    """Load the file of a piece.

    The pages of a file that is mapped are given back once it is loaded: what an engine needs of
    it is packed, in memory of its own. They go before a first run takes memory for activations.

    Parameters
    ----------
    model
        The file's bytes, or its path.
    file_format
        What the manifest says of the piece.
    threads
        Threads that may work on one run.
    warm
        Run it once on zeros, so that later runs all take the same time and memory.

    Raises
    ------
    EdgesegError
        If no engine here runs that format, or it refuses the file.
    """
    engine = _format(file_format).load(model, threads)
    if isinstance(model, Path):
        release_pages(model)
    if warm:
        engine.run_on_zeros()
        if isinstance(model, Path):
            release_pages(model)
    return engine


def engine_name(file_format: str = TFLITE) -> str:
    """Return name and version of what runs a format here, such as ``ai-edge-litert 2.3.0``.

    Raises
    ------
    EdgesegError
        If no engine here runs it.
    """
    return _format(file_format).engine_name()


def _format(name: str) -> PieceFormat:
    row = _find(BUILT_IN, name) or _find(_outside(), name)
    if row is None:
        raise EdgesegError(
            f"no engine here runs pieces of the format {name!r}; install the package that does "
            f"({GROUP})"
        )
    return row


@cache
def _outside() -> tuple[PieceFormat, ...]:
    return plugins(GROUP, PieceFormat)


def _find(rows: tuple[PieceFormat, ...], name: str) -> PieceFormat | None:
    return next((row for row in rows if row.name == name), None)
