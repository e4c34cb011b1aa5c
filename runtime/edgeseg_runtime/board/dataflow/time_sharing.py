"""Steps that share the memory of a board over time: which one is loaded next, and when."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial

from edgeseg_runtime.board.dataflow.executor import Executor
from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterPool, InterpreterSets
from edgeseg_runtime.board.pieces.step_loader import StepLoader
from edgeseg_runtime.board.threads import TaskGroup

PATIENCE_SECONDS = 0.2
"""How long a change of steps waits for slices that may be on their way."""


def most_ready(ready: Mapping[str, int]) -> str | None:
    """Return the step that may fire on most slices; of equals the last, whose slices are oldest."""
    return max(reversed(list(ready)), key=lambda name: ready[name]) if ready else None


class StepSwapper:
    """Loads one step in place of another when nothing of the loaded one can fire.

    Invariant: while a step is loaded, nothing runs.

    Parameters
    ----------
    loader
        Loads a step.
    pool
        Holds the interpreters of the step in memory.
    executor
        Says which steps can fire.
    tasks
        Runs work in threads.
    refuse
        Tells the coordinator of a step that can't be loaded.
    """

    def __init__(
        self,
        loader: StepLoader,
        pool: InterpreterPool,
        executor: Executor,
        tasks: TaskGroup,
        refuse: Callable[[BaseException], None],
    ) -> None:
        self._loader = loader
        self._pool = pool
        self._executor = executor
        self._tasks = tasks
        self._refuse = refuse
        self._swapping = False
        self._waited = False

    def consider(self, running: int, resume: Callable[[], None]) -> None:
        """Change the step if nothing runs and another one can fire.

        Parameters
        ----------
        running
            How many steps run now; all that can fire has been fired.
        resume
            Called when something may fire again.
        """
        if running:
            self._waited = False
        step = None if running or self._swapping else most_ready(self._executor.ready)
        if step is None:
            return
        self._swapping = True
        finish = partial(self._finish, resume)
        if not self._waited and not self._executor.full:
            self._waited = True
            self._tasks.submit(partial(time.sleep, PATIENCE_SECONDS), finish)
            return
        self._pool.clear()
        self._tasks.submit(partial(self._loader.load_step, step), finish)

    def _finish(self, resume: Callable[[], None], future: "Future[InterpreterSets | None]") -> None:
        self._swapping = False
        error = future.exception()
        if error is not None:
            self._refuse(error)
            return
        self._pool.add(future.result() or {})
        resume()
