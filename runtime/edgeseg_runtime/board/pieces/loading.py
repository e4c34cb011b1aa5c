"""Pieces brought into memory, all of them or a shift at a time, and what they really keep there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgeseg.inference.measure import resident_bytes
from edgeseg.inference.process_memory import give_back_freed_memory
from edgeseg_runtime.board.pieces.pool import InterpreterSets, load
from edgeseg_runtime.board.pieces.steps import Step


@dataclass(frozen=True)
class Loaded:
    """What was loaded, and how many bytes more the process keeps than was entered for it."""

    crews: InterpreterSets
    excess: int


class Loader:
    """Loads steps; all of it is work for a thread.

    Parameters
    ----------
    steps
        All steps of this board by name.
    together
        Whether all are loaded at once, or one at a time.
    copies
        Crews a step.
    threads
        Threads of LiteRT in each interpreter.
    base
        Bytes that the process holds before any piece.
    """

    def __init__(
        self, steps: Mapping[str, Step], *, together: bool, copies: int, threads: int, base: int
    ) -> None:
        self._steps = steps
        self._together = together
        self._copies = copies
        self._threads = threads
        self._base = base

    def first(self) -> Loaded:
        """Load what runs first; shifts are tried one after the other, the first one last.

        Raises
        ------
        EdgesegError
            If LiteRT refuses a piece.
        """
        give_back_freed_memory()
        if self._together:
            return self._measured(*self._steps.values())
        first, *others = self._steps.values()
        excess = [self._excess(step) for step in others]
        loaded = self._measured(first)
        return replace(loaded, excess=max([loaded.excess, *excess]))

    def shift(self, name: str) -> InterpreterSets:
        """Load one step in place of what has been let go of.

        Raises
        ------
        EdgesegError
            If LiteRT refuses a piece.
        """
        give_back_freed_memory()
        return load([self._steps[name]], self._threads, self._copies, ready=False)

    def _excess(self, step: Step) -> int:
        """Load a step, weigh it, and let go of it."""
        excess = self._measured(step).excess
        give_back_freed_memory()
        return excess

    def _measured(self, *steps: Step) -> Loaded:
        crews = load(steps, self._threads, self._copies)
        give_back_freed_memory()
        entered = sum(piece.resident_memory_bytes for step in steps for piece in step.pieces)
        return Loaded(crews, resident_bytes() - self._base - self._copies * entered)
