"""Pieces that take turns in memory: which group is loaded next, and when."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from edgeseg_runtime.board.dataflow.executor import Executor
from edgeseg_runtime.board.pieces.loading import Loader
from edgeseg_runtime.board.pieces.pool import InterpreterSets, Pool
from edgeseg_runtime.board.threads import Threads

PATIENCE = 0.2
"""Seconds that a change waits for slices that may be on their way."""


def most_ready(ready: Mapping[str, int]) -> str | None:
    """Return the step that may fire on most slices; of equals the last, whose slices are oldest."""
    return max(reversed(list(ready)), key=lambda name: ready[name]) if ready else None


class StepSwapper:
    """Loads one step in place of another when nothing of the loaded one can fire.

    Invariant: while a step is loaded, nothing runs.

    Parameters
    ----------
    loader, pool, executor, threads
        Those of the deployment.
    changed
        Called when something may fire again, with the future of what was done for it.
    """

    def __init__(
        self,
        loader: Loader,
        pool: Pool,
        executor: Executor,
        threads: Threads,
        changed: "Callable[[Future[Any]], None]",
    ) -> None:
        self._loader = loader
        self._pool = pool
        self._executor = executor
        self._threads = threads
        self._changed = changed
        self._changing = False
        self._waited = False
        self.count = 0
        """How often another step was loaded."""

    def consider(self, running: int) -> None:
        """Change the step if nothing runs and another one can fire; what fired has been taken."""
        if running:
            self._waited = False
        wanted = None if running or self._changing else most_ready(self._executor.ready)
        if wanted is None:
            return
        self._changing = True
        if not self._waited and not self._executor.full:
            self._waited = True
            self._threads.submit(partial(time.sleep, PATIENCE), self._settle)
            return
        self._pool.clear()
        self.count += 1
        self._threads.submit(partial(self._loader.shift, wanted), self._settle)

    def _settle(self, future: "Future[InterpreterSets | None]") -> None:
        self._changing = False
        crews = None if future.exception() else future.result()
        self._pool.add(crews or {})
        self._changed(future)
