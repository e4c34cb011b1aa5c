"""What a board does in one epoch: its pieces, the slices on them, and where the tensors go."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import zmq
from numpy.typing import NDArray

from edgeseg.errors import BoardError, EdgesegError, WireError
from edgeseg.interpreter import Interpreter
from edgeseg.placement import loading_order, pieces_and_slices
from edgeseg.quantization import dequantize
from edgeseg.slices import SliceGeometry, cheaper_on_board, to_input, to_native, to_probabilities
from edgeseg_runtime.executor import Arrays, Executor, Firing
from edgeseg_runtime.ledger import Ledger
from edgeseg_runtime.orders import contradiction
from edgeseg_runtime.pool import Computed, Pool, is_cached, store
from edgeseg_runtime.threads import Threads
from edgeseg_runtime.transport import Link
from edgeseg_runtime.wire import (
    AnyMessage,
    Assignment,
    Dtype,
    Failed,
    Job,
    Need,
    Outcome,
    PieceTime,
    Ready,
    Refused,
    TensorData,
    Trial,
    Tried,
    tensor_array,
)

Reply: TypeAlias = Callable[[AnyMessage, NDArray[Any] | None], None]


class Deployment:
    """One assignment, from the pieces it still needs to the last slice.

    Raises
    ------
    BoardError
        If its pieces and slices don't fit into the ledger, or it makes no sense.
    """

    def __init__(
        self,
        assignment: Assignment,
        ledger: Ledger,
        threads: Threads,
        context: zmq.Context[zmq.Socket[bytes]],
        reply: Reply,
    ) -> None:
        problem = contradiction(assignment)
        if problem:
            raise BoardError(f"the assignment contradicts itself: {problem}")
        self._assignment = assignment
        self._threads = threads
        self._reply = reply
        self._copies = _enter(assignment, ledger, threads.count)
        self._pieces = {piece.name: piece for piece in assignment.pieces}
        self._routes = {routes.lane: routes for routes in assignment.routes}
        self._executor = Executor(self._pieces, self._routes)
        self._pool = Pool({port.tensor: port for port in assignment.sources})
        self._links = {name: Link(context, peer) for name, peer in assignment.peers.items()}
        self._missing = [piece for piece in assignment.pieces if not is_cached(piece.sha256)]
        self._closed = False
        self.piece_times = {piece: PieceTime() for piece in self._pieces}

    @property
    def sent_bytes(self) -> int:
        """Bytes sent to other boards."""
        return sum(link.sent_bytes for link in self._links.values())

    def prepare(self) -> None:
        """Ask for the next piece that is not here, or load all once they are.

        One after the other: never is more than one piece in memory besides what is loaded.
        """
        if self._missing:
            self._reply(Need(self._assignment.epoch, self._missing[0].sha256), None)
        else:
            self._threads.submit(self._load, self._loaded)

    def accept_piece(self, sha256: str, packed: memoryview) -> None:
        """Keep a piece that was asked for, verified.

        Raises
        ------
        WireError
            If it was not asked for.
        """
        if not self._missing or sha256 != self._missing[0].sha256:
            raise WireError(f"piece {sha256[:12]} was not asked for")
        wanted = self._missing[0]
        self._missing = [piece for piece in self._missing if piece.sha256 != sha256]
        self._threads.submit(partial(store, wanted, packed), self._stored)

    def accept_tensor(self, data: TensorData, payload: memoryview) -> None:
        """Take in a tensor of a slice; those of other epochs are dropped.

        Raises
        ------
        WireError
            If it is not what its reader expects.
        """
        if data.job.epoch != self._assignment.epoch:
            return
        array = tensor_array(data.dtype, data.shape, payload)
        if data.tensor == self._assignment.input:
            if array.shape != self._assignment.preprocessing.size or data.dtype != "uint8":
                raise WireError(f"the image of slice {data.job.slice} is not 8-bit of its size")
            array = to_input(array, self._assignment.preprocessing)
        self._executor.offer(data.job, data.tensor, array)
        self._dispatch()

    def try_piece(self, trial: Trial) -> None:
        """Run a piece once on made-up tensors and say how long that kept a core from others.

        Raises
        ------
        WireError
            If the piece is not ready to run.
        """
        if trial.epoch != self._assignment.epoch or trial.piece not in self._pool.idle:
            raise WireError(f"{trial.piece} is not ready to be tried")
        piece, interpreter = self._pieces[trial.piece], self._pool.borrow(trial.piece)
        job = Job(trial.epoch, 0, 0, SliceGeometry(*self._assignment.preprocessing.size))
        firing = Firing(job, piece, self._pool.made_up(piece))
        start = time.perf_counter()

        def tried(future: "Future[Computed]") -> None:
            seconds = time.perf_counter() - start
            if not self._closed and not self._refuse_after(future):
                self._pool.give_back(trial.piece, interpreter)
                self._reply(Tried(trial.epoch, trial.piece, seconds), None)

        self._threads.submit(partial(self._compute, interpreter, firing), tried)

    def close(self) -> None:
        """Drop everything; what runs now is forgotten when it ends."""
        self._closed = True
        for link in self._links.values():
            link.close()

    def _stored(self, future: "Future[None]") -> None:
        if not self._closed and not self._refuse_after(future):
            self.prepare()

    def _load(self) -> None:
        for piece in loading_order(self._pieces.values()):
            threads = self._threads.count // self._copies if self._routes else 1
            self._pool.load(piece, threads, self._copies)

    def _loaded(self, future: "Future[None]") -> None:
        if not self._closed and not self._refuse_after(future):
            self._reply(Ready(self._assignment.epoch), None)

    def _refuse_after(self, future: "Future[Any]") -> bool:
        error = future.exception()
        if error is not None:
            self._reply(Refused(self._assignment.epoch, _reason(error)), None)
        return error is not None

    def _dispatch(self) -> None:
        while self._threads.running < self._threads.count:
            firing = self._executor.next(self._pool.idle)
            if firing is None:
                return
            interpreter = self._pool.borrow(firing.piece.name)
            work = partial(self._compute, interpreter, firing)
            self._threads.submit(work, partial(self._computed, interpreter, firing))

    def _compute(self, interpreter: Interpreter, firing: Firing) -> Computed:
        start = time.perf_counter()
        computed = self._pool.compute(interpreter, firing.piece, firing.inputs)
        output = self._assignment.output.tensor
        if output in computed.outputs:
            computed.outputs[output] = self._decode(firing.job, computed.outputs[output])
        return replace(computed, busy_seconds=time.perf_counter() - start)

    def _decode(self, job: Job, array: NDArray[Any]) -> NDArray[Any]:
        """Turn the model's output into what travels: 8-bit probabilities or the native mask."""
        output = self._assignment.output
        floats = dequantize(array, output) if output.dtype == "int8" else array
        probabilities = to_probabilities(floats)
        if self._travels_as(job) == "probabilities":
            return probabilities
        assignment = self._assignment
        return to_native(probabilities, job.geometry, assignment.preprocessing, assignment.decoding)

    def _travels_as(self, job: Job) -> Literal["probabilities", "mask"]:
        channels = self._assignment.output.shape[-1]
        on_board = cheaper_on_board(job.geometry, self._assignment.preprocessing, channels)
        return "mask" if on_board else "probabilities"

    def _computed(
        self, interpreter: Interpreter, firing: Firing, future: "Future[Computed]"
    ) -> None:
        if self._closed:
            return
        self._pool.give_back(firing.piece.name, interpreter)
        error = future.exception()
        if error is not None:
            self._reply(Failed(firing.job, _reason(error)), None)
        else:
            self._account(firing.piece.name, future.result())
            self._pass_on(firing.job, future.result().outputs)
        self._dispatch()

    def _account(self, piece: str, computed: Computed) -> None:
        before = self.piece_times[piece]
        self.piece_times[piece] = PieceTime(
            before.runs + 1,
            before.seconds + computed.seconds,
            before.busy_seconds + computed.busy_seconds,
        )

    def _pass_on(self, job: Job, outputs: Arrays) -> None:
        destinations = self._routes[job.lane].destinations
        for tensor, array in outputs.items():
            if tensor == self._assignment.output.tensor:
                self._reply(Outcome(job, self._travels_as(job), array.shape), array)
                continue
            for board in destinations.get(tensor, ()):
                header = TensorData(job, tensor, cast(Dtype, array.dtype.name), array.shape)
                self._links[board].send(header, array)
            if self._executor.reads(job.lane, tensor):
                self._executor.offer(job, tensor, array)


def _enter(assignment: Assignment, ledger: Ledger, cores: int) -> int:
    """Enter slices and pieces; return how many interpreters of each piece fit, one a core.

    Pieces without routes are there to be tried one at a time: one interpreter is enough.
    """
    need = pieces_and_slices(assignment.pieces, assignment.reserved_bytes)
    ledger.enter("what the pieces and the slices in flight take", need)
    more = pieces_and_slices(assignment.pieces, 0)
    copies, most = 1, cores if assignment.routes else 1
    while copies < most and 0 < more <= ledger.free:
        copies += 1
        ledger.enter(f"interpreters {copies}", more)
    return copies


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, EdgesegError) else f"{type(error).__name__}: {error}"
