"""Keeps the threads of a board at work: fires steps, and passes on what they make."""

from concurrent.futures import Future
from functools import partial

from edgeseg_runtime.board.dataflow.executor import Executor, Firing
from edgeseg_runtime.board.dataflow.outbox import Outbox
from edgeseg_runtime.board.dataflow.step_runner import StepResult, StepRunner
from edgeseg_runtime.board.dataflow.time_sharing import StepSwapper
from edgeseg_runtime.board.memory.allocator import AllocatorPolicy
from edgeseg_runtime.board.pieces.interpreter_pool import (
    InterpreterPool,
    InterpreterSet,
    InterpreterSets,
)
from edgeseg_runtime.board.pieces.loading import reason_of
from edgeseg_runtime.board.threads import TaskGroup
from edgeseg_runtime.messaging.wire import PieceTime


class Dispatcher:
    """Runs the steps of one deployment in threads.

    Parameters
    ----------
    executor
        Says which step fires next.
    pool
        Lends the interpreters.
    step_runner
        Runs a step on a slice.
    outbox
        Sends what is made.
    allocator
        Decides about freed memory.
    tasks
        Runs work in threads.
    swapper
        Changes the step in memory where steps share it over time, else None.
    """

    def __init__(  # noqa: PLR0913, PLR0917 the parts that meet here
        self,
        executor: Executor,
        pool: InterpreterPool,
        step_runner: StepRunner,
        outbox: Outbox,
        allocator: AllocatorPolicy,
        tasks: TaskGroup,
        swapper: StepSwapper | None,
    ) -> None:
        self._executor = executor
        self._pool = pool
        self._step_runner = step_runner
        self._outbox = outbox
        self._allocator = allocator
        self._tasks = tasks
        self._swapper = swapper
        self.piece_times: dict[str, PieceTime] = {}
        """How often each piece has run here, and for how long."""

    @property
    def slices_held(self) -> int:
        """How many slices have a tensor here."""
        return self._executor.slices_held

    @property
    def slices_passed(self) -> int:
        """On how many slices every step here has fired."""
        return self._executor.slices_passed

    @property
    def sent_bytes(self) -> int:
        """Bytes sent to other boards."""
        return self._outbox.sent_bytes

    def add(self, interpreters: InterpreterSets) -> None:
        """Use interpreters from now on."""
        self._pool.add(interpreters)
        self.dispatch()

    def dispatch(self) -> None:
        """Fire as many steps as there are threads, inputs and interpreters for."""
        self._allocator.trim()
        while self._tasks.thread_free:
            firing = self._executor.next(self._pool.idle)
            if firing is None:
                break
            interpreters = self._pool.borrow(firing.step.name)
            work = partial(self._step_runner.run, interpreters, firing)
            self._tasks.submit(work, partial(self._finish, interpreters, firing))
        if self._swapper is not None:
            self._swapper.consider(self._pool.lent, self.dispatch)

    def close(self) -> None:
        """Release interpreters, connections and tensors on disk."""
        self._pool.clear()
        self._outbox.close()
        self._step_runner.close()

    def _finish(
        self, interpreters: InterpreterSet, firing: Firing, future: "Future[StepResult]"
    ) -> None:
        self._pool.give_back(firing.step.name, interpreters)
        error = future.exception()
        if error is not None:
            self._outbox.report_failure(firing.job, reason_of(error))
        else:
            self._pass_on(firing, future.result())
        self.dispatch()

    def _pass_on(self, firing: Firing, result: StepResult) -> None:
        for piece, taken in result.times.items():
            self.piece_times[piece] = _total(self.piece_times.get(piece, PieceTime()), taken)
        self._outbox.send(firing.job, result.outputs)
        for tensor, held in result.outputs.items():
            if self._executor.reads(firing.job.lane, tensor):
                self._executor.offer(firing.job, tensor, held)


def _total(total: PieceTime, added: PieceTime) -> PieceTime:
    return PieceTime(
        total.runs + added.runs,
        total.seconds + added.seconds,
        total.busy_seconds + added.busy_seconds,
    )
