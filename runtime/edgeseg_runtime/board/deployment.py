"""What a board does in one epoch: the parts that load its pieces and run slices on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import BoardError
from edgeseg_runtime.board.dataflow.decoder import Decoder
from edgeseg_runtime.board.dataflow.dispatcher import Dispatcher
from edgeseg_runtime.board.dataflow.executor import Executor
from edgeseg_runtime.board.dataflow.inbox import Inbox
from edgeseg_runtime.board.dataflow.outbox import Connect, Outbox, Reply
from edgeseg_runtime.board.dataflow.step_runner import StepRunner
from edgeseg_runtime.board.dataflow.time_sharing import StepSwapper
from edgeseg_runtime.board.dataflow.trials import Trials
from edgeseg_runtime.board.memory.allocator import AllocatorPolicy
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.memory.reservation import reserve, reserve_proven
from edgeseg_runtime.board.memory.spool import Spool
from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterPool, InterpreterSets
from edgeseg_runtime.board.pieces.loading import PieceLoading, reason_of
from edgeseg_runtime.board.pieces.proofs import Proof
from edgeseg_runtime.board.pieces.step_loader import StepLoader
from edgeseg_runtime.board.pieces.steps import reader_counts, steps_of
from edgeseg_runtime.board.threads import TaskGroup, Threads
from edgeseg_runtime.messaging.assignments import contradiction
from edgeseg_runtime.messaging.wire import (
    AnyMessage,
    Assignment,
    PieceData,
    PieceTime,
    Refused,
    TensorData,
    TrialRequest,
)

_SLACK = 20
"""A piece that is tried may ask for a part of the limit more, which it need not touch."""


@dataclass(frozen=True)
class DeploymentResources:
    """What a deployment works with.

    Parameters
    ----------
    ledger
        Of this process, with nothing else entered.
    process_bytes
        What the process took before any piece.
    threads
        For all that takes longer than a moment.
    connect
        Opens a connection to another board.
    reply
        Sends the coordinator a message and an array.
    spool_root
        Folder for tensors that wait for steps which are not in memory.
    """

    ledger: Ledger
    process_bytes: int
    threads: Threads
    connect: Connect
    reply: Reply
    spool_root: Path


class Deployment:
    """One assignment, from the pieces that it lacks to the last slice.

    The parts and what passes between them::

        PieceData -> PieceLoading -> proofs, interpreters -> InterpreterPool <- StepSwapper
                                                          |
        TensorData -> Inbox -> Executor -> Dispatcher -> StepRunner -> Outbox -> boards, coordinator
                                  ^----------- tensors read here ---------'

    Parameters
    ----------
    assignment
        What is to be done.
    resources
        What there is to do it with.

    Raises
    ------
    BoardError
        If the assignment contradicts itself, its pieces and slices don't fit into the ledger, or
        its tensors don't fit on the disk.
    """

    def __init__(self, assignment: Assignment, resources: DeploymentResources) -> None:
        problem = contradiction(assignment)
        if problem:
            raise BoardError(f"the assignment contradicts itself: {problem}")
        copies = reserve(assignment, resources.ledger, resources.threads.count)
        allocator = AllocatorPolicy(assignment, resources.ledger)
        steps = steps_of(assignment)
        executor = Executor(steps, {routes.lane: routes for routes in assignment.routes})
        pool = InterpreterPool()
        decoder = Decoder(
            assignment.output,
            assignment.preprocessing,
            assignment.decoding,
            assignment.probabilities,
        )
        outbox = Outbox(assignment, decoder, resources.reply, resources.connect)
        step_runner = StepRunner(
            {port.tensor: port for port in assignment.sources},
            assignment.input,
            decoder,
            _spool(assignment, resources.spool_root, copies),
            reader_counts(steps.values()),
            {routes.lane: routes.codecs for routes in assignment.routes},
        )
        step_loader = StepLoader(
            steps,
            resident=not assignment.shifts,
            copies=copies,
            threads=resources.threads.count // copies if assignment.routes else 1,
            base_bytes=resources.process_bytes,
        )
        tasks = TaskGroup(resources.threads)
        swapper = StepSwapper(step_loader, pool, executor, tasks, self._refuse)
        self._assignment = assignment
        self._copies = copies
        self._resources = resources
        self._tasks = tasks
        self._inbox = Inbox(assignment, executor)
        self._loading = PieceLoading(
            assignment,
            tasks,
            step_loader,
            self._report,
            resources.ledger.limit + resources.ledger.limit // _SLACK - resources.ledger.base,
            self._accept_proofs,
            self._take,
        )
        self._dispatcher = Dispatcher(
            executor,
            pool,
            step_runner,
            outbox,
            allocator,
            tasks,
            swapper if assignment.shifts else None,
        )
        self._trials = Trials(
            assignment, steps, pool, step_runner, tasks, self._report, self._refuse
        )

    @property
    def piece_times(self) -> dict[str, PieceTime]:
        """How often each piece has run here, and for how long."""
        never_run = {piece.name: PieceTime() for piece in self._assignment.pieces}
        return never_run | self._dispatcher.piece_times

    @property
    def slices_held(self) -> int:
        """How many slices have a tensor here."""
        return self._dispatcher.slices_held

    @property
    def slices_passed(self) -> int:
        """How many slices have been through all pieces here."""
        return self._dispatcher.slices_passed

    @property
    def sent_bytes(self) -> int:
        """Bytes sent to other boards."""
        return self._dispatcher.sent_bytes

    def start(self) -> None:
        """Get the pieces, load them, and report that slices may come."""
        self._loading.start()

    def payload_limit(self, message: AnyMessage) -> int:
        """Return how many bytes of payload a message may bring: none unless it is awaited."""
        if isinstance(message, PieceData) and message.epoch == self._assignment.epoch:
            return self._loading.awaited_bytes(message.sha256)
        if isinstance(message, TensorData):
            return self._inbox.payload_limit(message)
        return 0

    def accept_piece(self, sha256: str, packed: memoryview) -> None:
        """Verify a packed piece that was asked for, and keep it.

        Raises
        ------
        WireError
            If it was not asked for.
        """
        self._loading.accept_piece(sha256, packed)

    def accept_tensor(self, data: TensorData, payload: memoryview) -> bool:
        """Take in a tensor of a slice; those of other epochs and of slices done are dropped.

        Returns
        -------
        bool
            Whether it was taken in.

        Raises
        ------
        WireError
            If it is not what its reader expects, or there are more slices than may be in flight.
        """
        taken = self._inbox.accept(data, payload)
        if taken:
            self._dispatcher.dispatch()
        return taken

    def try_piece(self, trial: TrialRequest) -> None:
        """Run a piece once on synthetic tensors and report how long that kept a core busy.

        Raises
        ------
        WireError
            If the piece is not ready to run.
        """
        self._trials.start(trial)

    def close(self) -> None:
        """Release everything; the result of what still runs is dropped."""
        self._tasks.close()
        self._dispatcher.close()

    def _accept_proofs(self, proofs: Mapping[str, Proof]) -> None:
        """Enter what the pieces took beyond what is said of them when they were tried."""
        reserve_proven(self._assignment, proofs, self._resources.ledger, self._copies)

    def _take(self, interpreters: InterpreterSets, excess_bytes: int) -> None:
        """Use what was loaded, if its true size fits into the ledger."""
        ledger = self._resources.ledger
        ledger.correct("what the pieces keep beyond their measure", excess_bytes)
        self._dispatcher.add(interpreters)

    def _refuse(self, error: BaseException) -> None:
        self._report(Refused(self._assignment.epoch, reason_of(error)))

    def _report(self, message: AnyMessage) -> None:
        self._resources.reply(message, None)


def _spool(assignment: Assignment, root: Path, copies: int) -> Spool | None:
    """Return a spool for time-shared steps, else None.

    It has room for the slices that wait, and for those that run, whose inputs and outputs are on
    disk together.
    """
    if not assignment.shifts:
        return None
    waiting_bytes, in_flight = assignment.spool_bytes, assignment.routes[0].window
    return Spool(root, waiting_bytes + copies * (waiting_bytes // in_flight))
