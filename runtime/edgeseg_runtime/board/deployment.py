"""What a board does in one epoch: its pieces, the slices on them, and where the tensors go."""

import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from edgeseg.errors import BoardError, WireError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.board.dataflow.compute import Computed, Computer
from edgeseg_runtime.board.dataflow.decoder import Decoder
from edgeseg_runtime.board.dataflow.executor import Executor, Firing, Tensors
from edgeseg_runtime.board.dataflow.outbox import DeploymentResources, Outbox
from edgeseg_runtime.board.dataflow.time_sharing import StepSwapper
from edgeseg_runtime.board.memory.allocator import FreedMemory
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.memory.reservation import enter
from edgeseg_runtime.board.memory.spool import Spool
from edgeseg_runtime.board.pieces.loading import Loaded, Loader
from edgeseg_runtime.board.pieces.piece_loader import Preparation, reason
from edgeseg_runtime.board.pieces.pool import InterpreterSet, Pool
from edgeseg_runtime.board.pieces.steps import readers_of, steps_of
from edgeseg_runtime.messaging.assignments import contradiction
from edgeseg_runtime.messaging.wire import (
    AnyMessage,
    Assignment,
    Failed,
    Job,
    PieceTime,
    Ready,
    Refused,
    TensorData,
    TrialRequest,
    TrialResult,
    tensor_array,
)


class Deployment:
    """One assignment, from the pieces it still needs to the last slice.

    Parameters
    ----------
    assignment
        What is to be done.
    ledger
        Of this process, with nothing else entered.
    means
        What it works with.

    Raises
    ------
    BoardError
        If its pieces and slices don't fit into the ledger or its tensors on the disk, or it
        makes no sense.
    """

    def __init__(self, assignment: Assignment, ledger: Ledger, means: DeploymentResources) -> None:
        problem = contradiction(assignment)
        if problem:
            raise BoardError(f"the assignment contradicts itself: {problem}")
        self._assignment = assignment
        self._ledger = ledger
        self._threads = means.threads
        self._reply = means.reply
        copies = enter(assignment, ledger, means.threads.count)
        self._heap = FreedMemory(assignment, ledger)
        self._sources = {port.tensor: port for port in assignment.sources}
        self._steps = steps_of(assignment)
        self._executor = Executor(self._steps, {r.lane: r for r in assignment.routes})
        self._pool = Pool()
        decoder = Decoder(assignment.output, assignment.preprocessing, assignment.decoding)
        self._outbox = Outbox(assignment, decoder, means)
        self._spool = self._make_spool(means.spool_root, copies) if assignment.shifts else None
        readers = readers_of(self._steps.values())
        self._computer = Computer(self._sources, assignment.input, decoder, self._spool, readers)
        loader = Loader(
            self._steps,
            together=not assignment.shifts,
            copies=copies,
            threads=means.threads.count // copies if assignment.routes else 1,
            base=ledger.base,
        )
        self._preparation = Preparation(assignment, means.threads, loader, self._say, self._ready)
        self._shifts = self._in_shifts(loader) if assignment.shifts else None
        self._running = 0
        self._closed = False
        self.piece_times = {piece.name: PieceTime() for piece in assignment.pieces}

    def _make_spool(self, root: Path, copies: int) -> Spool:
        """Make a spool for the slices that wait, and those that run: these wait on both sides."""
        waiting, window = self._assignment.spool_bytes, self._assignment.routes[0].window
        return Spool(root, waiting + copies * (waiting // window))

    def _in_shifts(self, loader: Loader) -> StepSwapper:
        return StepSwapper(loader, self._pool, self._executor, self._threads, self._changed)

    @property
    def epoch(self) -> int:
        """The epoch of the assignment."""
        return self._assignment.epoch

    @property
    def slices_held(self) -> int:
        """How many slices have something here."""
        return self._executor.slices_held

    @property
    def slices_passed(self) -> int:
        """How many slices have been through all pieces here."""
        return self._executor.slices_passed

    @property
    def sent_bytes(self) -> int:
        """Bytes sent to other boards."""
        return self._outbox.sent_bytes

    def prepare(self) -> None:
        """Get the pieces, load them, and say that all is ready."""
        self._preparation.start()

    def accept_piece(self, sha256: str, packed: memoryview) -> None:
        """Keep a piece that was asked for, verified.

        Raises
        ------
        WireError
            If it was not asked for.
        """
        self._preparation.accept_piece(sha256, packed)

    def accept_tensor(self, data: TensorData, payload: memoryview) -> None:
        """Take in a tensor of a slice; those of other epochs and of slices done are dropped.

        Raises
        ------
        WireError
            If it is not what its reader expects, or more than may be in flight.
        """
        if data.job.epoch != self.epoch or self._executor.is_done(data.job.slice):
            return
        array = tensor_array(data.dtype, data.shape, payload)
        source = self._sources.get(data.tensor)
        if data.tensor == self._assignment.input:
            if array.shape != self._assignment.preprocessing.size or data.dtype != "uint8":
                raise WireError(f"the image of slice {data.job.slice} is not 8-bit of its size")
        elif source is not None and (source.shape, source.dtype) != (array.shape, data.dtype):
            raise WireError(
                f"{data.tensor} is {data.dtype} of shape {array.shape}, "
                f"{source.dtype} of shape {source.shape} is read"
            )
        self._executor.offer(data.job, data.tensor, array)
        self._dispatch()

    def try_piece(self, trial: TrialRequest) -> None:
        """Run a piece once on made-up tensors and say how long that kept a core from others.

        Raises
        ------
        WireError
            If the piece is not ready to run.
        """
        if trial.epoch != self.epoch or trial.piece not in self._pool.idle:
            raise WireError(f"{trial.piece} is not ready to be tried")
        step, crew = self._steps[trial.piece], self._pool.borrow(trial.piece)
        job = Job(trial.epoch, 0, 0, SliceGeometry(*self._assignment.preprocessing.size))
        firing = Firing(job, step, self._computer.made_up(step.pieces[0]))
        start = time.perf_counter()

        def tried(future: "Future[Computed]") -> None:
            seconds = time.perf_counter() - start
            if not self._preparation.failed(future):
                self._pool.give_back(trial.piece, crew)
                self._say(TrialResult(trial.epoch, trial.piece, seconds))

        self._threads.submit(partial(self._computer.compute, crew, firing), tried)

    def close(self) -> None:
        """Drop everything; what runs now is forgotten when it ends."""
        self._closed = True
        self._preparation.cancel()
        self._pool.clear()
        self._outbox.close()
        if self._spool is not None:
            self._spool.close()

    def _ready(self, loaded: Loaded) -> None:
        try:
            self._ledger.correct("what the pieces keep beyond their measure", loaded.excess)
        except BoardError as error:
            self._say(Refused(self.epoch, str(error)))
            return
        self._pool.add(loaded.crews)
        self._say(Ready(self.epoch))
        self._dispatch()

    def _say(self, message: AnyMessage) -> None:
        self._reply(message, None)

    def _dispatch(self) -> None:
        self._heap.tend()
        while self._threads.running < self._threads.count:
            firing = self._executor.next(self._pool.idle)
            if firing is None:
                break
            crew = self._pool.borrow(firing.step.name)
            self._running += 1
            work = partial(self._computer.compute, crew, firing)
            self._threads.submit(work, partial(self._computed, crew, firing))
        if self._shifts is not None:
            self._shifts.consider(running=self._running)

    def _changed(self, future: "Future[Any]") -> None:
        if not self._preparation.failed(future):
            self._dispatch()

    def _computed(self, crew: InterpreterSet, firing: Firing, future: "Future[Computed]") -> None:
        self._running -= 1
        if self._closed:
            return
        self._pool.give_back(firing.step.name, crew)
        error = future.exception()
        if error is not None:
            self._say(Failed(firing.job, reason(error)))
        else:
            for piece, taken in future.result().times.items():
                self.piece_times[piece] = _sum(self.piece_times[piece], taken)
            self._pass_on(firing.job, future.result().outputs)
        self._dispatch()

    def _pass_on(self, job: Job, outputs: Tensors) -> None:
        self._outbox.send(job, outputs)
        for tensor, made in outputs.items():
            if self._executor.reads(job.lane, tensor):
                self._executor.offer(job, tensor, made)


def _sum(one: PieceTime, other: PieceTime) -> PieceTime:
    return PieceTime(
        one.runs + other.runs,
        one.seconds + other.seconds,
        one.busy_seconds + other.busy_seconds,
    )
