"""Steps loaded into interpreters, all at once or one at a time, and the memory they really take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edgeseg.boards.memory_use import loading_order
from edgeseg.inference.banded import Runner, runner_of
from edgeseg.inference.engine import open_engine
from edgeseg.inference.measure import resident_bytes
from edgeseg.inference.process_memory import give_back_freed_memory
from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterSets
from edgeseg_runtime.board.pieces.piece_cache import cached_path
from edgeseg_runtime.board.pieces.proofs import Proof, as_proven
from edgeseg_runtime.board.pieces.steps import Step


@dataclass(frozen=True)
class LoadedSteps:
    """Interpreter sets, and the bytes that the process holds beyond what was entered for them."""

    interpreters: InterpreterSets
    excess_bytes: int


class StepLoader:
    """Loads the steps of one assignment; its methods run in a thread.

    Parameters
    ----------
    steps
        All steps of this board by name.
    resident
        Whether all steps are in memory together; else one is loaded at a time.
    copies
        Interpreter sets of each step.
    threads
        Threads of LiteRT in each interpreter.
    base_bytes
        Bytes that the process holds before any piece.
    """

    def __init__(
        self,
        steps: Mapping[str, Step],
        *,
        resident: bool,
        copies: int,
        threads: int,
        base_bytes: int,
    ) -> None:
        self._steps = steps
        self._resident = resident
        self._copies = copies
        self._threads = threads
        self._base_bytes = base_bytes

    def load_first(self, proofs: Mapping[str, Proof]) -> LoadedSteps:
        """Load what runs first, and measure every step.

        Steps that share the memory over time are loaded one after the other, the first one last.

        Parameters
        ----------
        proofs
            What the pieces took when they were tried here, by SHA-256; it is entered already.

        Raises
        ------
        EdgesegError
            If LiteRT refuses a piece.
        """
        give_back_freed_memory()
        if self._resident:
            return self._load_measured(proofs, *self._steps.values())
        first, *others = self._steps.values()
        excesses = [self._excess_bytes(proofs, step) for step in others]
        loaded = self._load_measured(proofs, first)
        return replace(loaded, excess_bytes=max([loaded.excess_bytes, *excesses]))

    def load_step(self, name: str) -> InterpreterSets:
        """Load one step whose memory is free: the one before it has been released.

        Raises
        ------
        EdgesegError
            If LiteRT refuses a piece.
        """
        give_back_freed_memory()
        return load_steps([self._steps[name]], self._threads, self._copies, warm=False)

    def _excess_bytes(self, proofs: Mapping[str, Proof], step: Step) -> int:
        """Load a step, measure it, and release it."""
        excess_bytes = self._load_measured(proofs, step).excess_bytes
        give_back_freed_memory()
        return excess_bytes

    def _load_measured(self, proofs: Mapping[str, Proof], *steps: Step) -> LoadedSteps:
        interpreters = load_steps(steps, self._threads, self._copies)
        give_back_freed_memory()
        pieces = (as_proven(piece, proofs) for step in steps for piece in step.pieces)
        entered = sum(piece.resident_memory_bytes for piece in pieces)
        growth = resident_bytes() - self._base_bytes
        return LoadedSteps(interpreters, growth - self._copies * entered)


def load_steps(
    steps: Iterable[Step], threads: int, copies: int, *, warm: bool = True
) -> InterpreterSets:
    """Load the kept pieces of steps, one piece after the other.

    Parameters
    ----------
    steps
        What is to run.
    threads
        Threads of LiteRT in each interpreter.
    copies
        Interpreter sets of each step.
    warm
        Run each piece once, so that the first slice is as fast as the rest.

    Raises
    ------
    EdgesegError
        If LiteRT refuses a piece.
    """
    steps = tuple(steps)
    runners: dict[str, list[Runner]] = {}
    for piece in loading_order(piece for step in steps for piece in step.pieces):
        path = cached_path(piece.sha256)
        runners[piece.name] = [
            runner_of(piece, open_engine(path, piece.file_format, threads, warm=warm))
            for _ in range(copies)
        ]
    return {
        step.name: [[runners[piece.name][copy] for piece in step.pieces] for copy in range(copies)]
        for step in steps
    }
