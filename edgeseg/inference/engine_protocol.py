"""What an engine is: one file of a piece, loaded and ready to run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray


@dataclass(frozen=True)
class PortDetail:
    """One input or output as the file of a piece describes it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


class Engine(Protocol):
    """Runs the file of one piece; never asked by two threads at once.

    All arrays stand in the order of the piece's ports.
    """

    @property
    def seconds(self) -> float:
        """Time of the last inference alone, without the copies in and out."""

    @property
    def inputs(self) -> tuple[PortDetail, ...]:
        """The arrays that it reads."""

    @property
    def outputs(self) -> tuple[PortDetail, ...]:
        """The arrays that it makes."""

    def run(self, arrays: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run once; return outputs that later runs leave alone."""

    def run_and_show(
        self, arrays: Iterable[NDArray[Any]], take: Callable[[int, NDArray[Any]], None]
    ) -> None:
        """Run once, and show each output to ``take`` with its number; nothing of it is kept."""

    def run_on_zeros(self) -> None:
        """Run once on zeros, and leave the outputs inside."""


Load: TypeAlias = Callable[[bytes | Path, int], Engine]
"""Loads a file, given as its bytes or its path, for so many threads a run.

A path is to be mapped rather than copied: its resident pages are given back once it is loaded.
It raises EdgesegError where the file can't be used.
"""


@dataclass(frozen=True)
class PieceFormat:
    """One format of pieces: a row of the table in :mod:`edgeseg.inference.engine`.

    Attributes
    ----------
    name
        As a manifest states it, such as ``tflite``.
    load
        Loads a file of that format.
    engine_name
        Returns name and version of what runs it; what is measured is kept for each.
    """

    name: str
    load: Load
    engine_name: Callable[[], str]
