"""Runs single pieces on synthetic tensors, to measure how long they keep a core busy."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial

from edgeseg.errors import WireError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.board.dataflow.executor import Firing
from edgeseg_runtime.board.dataflow.step_runner import StepResult, StepRunner
from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterPool
from edgeseg_runtime.board.pieces.loading import Report
from edgeseg_runtime.board.pieces.steps import Step
from edgeseg_runtime.board.threads import TaskGroup
from edgeseg_runtime.messaging.wire import Assignment, Job, TrialRequest, TrialResult


class Trials:
    """Tries the pieces of one deployment.

    Parameters
    ----------
    assignment
        Whose pieces they are.
    steps
        Its steps by name.
    pool
        Lends the interpreters.
    step_runner
        Runs a step.
    tasks
        Runs work in threads.
    report
        Sends the coordinator a message.
    refuse
        Tells the coordinator of a piece that can't be run.
    """

    def __init__(  # noqa: PLR0913, PLR0917 the parts that meet here
        self,
        assignment: Assignment,
        steps: Mapping[str, Step],
        pool: InterpreterPool,
        step_runner: StepRunner,
        tasks: TaskGroup,
        report: Report,
        refuse: Callable[[BaseException], None],
    ) -> None:
        self._epoch = assignment.epoch
        self._geometry = SliceGeometry(*assignment.preprocessing.size)
        self._steps = steps
        self._pool = pool
        self._step_runner = step_runner
        self._tasks = tasks
        self._report = report
        self._refuse = refuse

    def start(self, trial: TrialRequest) -> None:
        """Run a piece once in a thread and report the seconds that it kept a core busy.

        Raises
        ------
        WireError
            If the piece is not loaded, or runs already.
        """
        if trial.epoch != self._epoch or trial.piece not in self._pool.idle:
            raise WireError(f"{trial.piece} is not ready to be tried")
        step, interpreters = self._steps[trial.piece], self._pool.borrow(trial.piece)
        inputs = self._step_runner.synthetic_inputs(step.pieces[0])
        firing = Firing(Job(trial.epoch, 0, 0, self._geometry), step, inputs)
        start = time.perf_counter()

        def finish(future: "Future[StepResult]") -> None:
            seconds = time.perf_counter() - start
            error = future.exception()
            if error is not None:
                self._refuse(error)
                return
            self._pool.give_back(trial.piece, interpreters)
            self._report(TrialResult(trial.epoch, trial.piece, seconds))

        self._tasks.submit(partial(self._step_runner.run, interpreters, firing), finish)
