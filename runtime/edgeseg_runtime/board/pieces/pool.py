"""The pieces of one board: kept by hash, loaded, and lent out as crews of interpreters."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from edgeseg.boards.placement import loading_order
from edgeseg.bundle.bundle_file import digest_file, unpack
from edgeseg.bundle.manifest import Piece
from edgeseg.files.atomic import atomic_path
from edgeseg.files.cache import cache_folder
from edgeseg.inference.banded import Runner, runner_of
from edgeseg.inference.engine import open_engine
from edgeseg_runtime.board.pieces.steps import Step

InterpreterSet: TypeAlias = list[Runner]
"""A runner for each piece of a step; empty once it has been let go of."""

InterpreterSets: TypeAlias = Mapping[str, Sequence[InterpreterSet]]
"""What is loaded for each step, by its name."""


class Pool:
    """Crews by step, each used by one thread at a time."""

    def __init__(self) -> None:
        self._free: dict[str, list[InterpreterSet]] = {}

    @property
    def idle(self) -> frozenset[str]:
        """Steps that have a crew free."""
        return frozenset(name for name, free in self._free.items() if free)

    def add(self, crews: InterpreterSets) -> None:
        """Take in what was loaded."""
        self._free |= {step: list(made) for step, made in crews.items()}

    def borrow(self, step: str) -> InterpreterSet:
        """Take a crew of the step; one must be idle."""
        return self._free[step].pop()

    def give_back(self, step: str, crew: InterpreterSet) -> None:
        """Return a borrowed crew."""
        self._free[step].append(crew)

    def clear(self) -> None:
        """Let go of all that is idle, whoever else may still know a crew: its memory is needed."""
        for crews in self._free.values():
            for crew in crews:
                crew.clear()
        self._free.clear()


def load(
    steps: Iterable[Step], threads: int, copies: int, *, ready: bool = True
) -> InterpreterSets:
    """Load the cached pieces of steps, one after the other; in any thread.

    Parameters
    ----------
    steps
        What is to run.
    threads
        Threads of LiteRT in each interpreter.
    copies
        Crews a step.
    ready
        Run each once, so that the first slice is as fast as the rest.

    Raises
    ------
    EdgesegError
        If LiteRT refuses a piece.
    """
    steps = tuple(steps)
    loaded: dict[str, list[Runner]] = {}
    for piece in loading_order(piece for step in steps for piece in step.pieces):
        path = cached_piece(piece.sha256)
        loaded[piece.name] = [
            runner_of(piece, open_engine(path, piece.file_format, threads, warm=ready))
            for _ in range(copies)
        ]
    return {
        step.name: [[loaded[piece.name][copy] for piece in step.pieces] for copy in range(copies)]
        for step in steps
    }


def cached_piece(sha256: str) -> Path:
    """Where the TFLite file of that hash is kept on this board."""
    return cache_folder("pieces") / f"{sha256}.tflite"


def is_cached(sha256: str) -> bool:
    """Tell whether a piece is here and undamaged; a damaged one is removed."""
    path = cached_piece(sha256)
    if not path.exists():
        return False
    if digest_file(path) == sha256:
        return True
    path.unlink(missing_ok=True)
    return False


def missing(pieces: Iterable[Piece]) -> list[str]:
    """Return the hashes of the pieces that are not here, each once."""
    wanted = dict.fromkeys(piece.sha256 for piece in pieces)
    return [sha256 for sha256 in wanted if not is_cached(sha256)]


def store(piece: Piece, packed: bytes | memoryview) -> None:
    """Verify a packed piece and keep it.

    Raises
    ------
    BundleError
        If it is not what the assignment said.
    OutputError
        If it can't be written.
    """
    with atomic_path(cached_piece(piece.sha256)) as target, target.open("wb") as file:
        file.writelines(unpack(packed, piece))
