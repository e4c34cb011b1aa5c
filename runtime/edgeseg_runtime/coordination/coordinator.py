"""Deploys placements on boards, sends slices to them, and collects the results."""

import math
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from edgeseg.boards.boards_file import Board, BoardEntry
from edgeseg.boards.placement import Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.signed_manifest import signed_manifest
from edgeseg.errors import BundleError, WireError
from edgeseg_runtime.coordination.backlog import Backlog, PendingSlice, Result
from edgeseg_runtime.coordination.connections import Connections
from edgeseg_runtime.coordination.deadlines import Deadlines
from edgeseg_runtime.coordination.fleet import Fleet
from edgeseg_runtime.coordination.sent_planes import SentPlanes
from edgeseg_runtime.messaging.assignments import assignment_for, reader_boards
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.wire import (
    Assignment,
    Failed,
    Job,
    PieceData,
    PieceRequest,
    Pong,
    Ready,
    Refused,
    SliceResult,
    TensorData,
    tensor_array,
)

_STEP_SECONDS = 15.0
"""A step that was given up may take so long beyond the time that its successors wait for it."""


class Coordinator:
    """Runs one bundle on boards; to be closed after use.

    Whatever waits for boards raises as soon as one that is needed is lost; :attr:`fleet` says
    which are present. Messages of other epochs than the present one are dropped.

    Parameters
    ----------
    bundle
        What is to be run.
    entries
        The boards; each should have a worker listening.
    keys
        This machine's own, for boards that have a public key.
    tolerant
        Go on without boards that don't answer.
    probabilities
        Have every result come back as probabilities, even where a mask is smaller.

    Raises
    ------
    BoardsLostError
        If a board can't be reached within five seconds, or refuses; unless tolerant.
    """

    def __init__(
        self,
        bundle: Bundle,
        entries: Sequence[BoardEntry],
        keys: KeyPair | None = None,
        *,
        tolerant: bool = False,
        probabilities: bool = False,
    ) -> None:
        self._probabilities = probabilities
        self._bundle = bundle
        self._manifest = bundle.manifest
        # Slices of a coordinator that has died may still be under way between boards.
        self._epoch = 1 + secrets.randbits(48)
        self._crashes: dict[str, set[str]] = {}
        self.placement: Placement | None = None
        self._sent_planes = SentPlanes(self._manifest.preprocessing.planes)
        # On the wire each slice of an epoch has a number of its own, backlog after backlog.
        self._backlog: Backlog | None = None
        self._first_number = self._next_number = 0
        self._sent_at: dict[int, float] = {}
        self.deadlines = Deadlines()
        self._connections = Connections(entries, keys, self._result_bytes)
        if not tolerant:
            try:
                self.fleet.require(entry.name for entry in entries)
            except BaseException:
                self.close()
                raise

    @property
    def fleet(self) -> Fleet:
        """Which boards are present, as of the last poll."""
        return self._connections.fleet

    @property
    def boards(self) -> tuple[Board, ...]:
        """The boards that have ever answered, as placement sees them."""
        return self._connections.boards

    @property
    def sends_stacks(self) -> bool:
        """Whether boards are sent slices with neighbours, which they hold if runs follow on."""
        return self._manifest.preprocessing.planes > 1

    @property
    def received_bytes(self) -> int:
        """Bytes that came from the boards."""
        return self._connections.received_bytes

    @property
    def lapsed(self) -> bool:
        """Whether no ping was sent for so long that workers may have dropped their pieces."""
        return self._connections.lapsed

    @property
    def last_pongs(self) -> dict[str, Pong]:
        """What each board last reported of itself."""
        return self._connections.last_pongs

    @property
    def oldest_seconds(self) -> float:
        """For how long the slice has been in flight that has been for longest."""
        return time.monotonic() - min(self._sent_at.values()) if self._sent_at else 0.0

    def leave_out_hanging(self, boards: Iterable[str], limit_seconds: float) -> bool:
        """Let boards rest where a thread has been at one piece of work for longer than that.

        The last board present is kept. Whether any was left out is returned.
        """
        any_hangs = False
        pongs = self.last_pongs
        for name in boards:
            seconds = pongs[name].running_seconds if name in pongs else 0.0
            if seconds > limit_seconds and len(self.fleet.present) > 1:
                any_hangs = True
                reason = f"it answers, but hangs in a piece for {seconds:.0f} s"
                self._connections.leave_out_hanging(name, reason)
        return any_hangs

    def renew(self) -> None:
        """Begin another run: losses and bars of boards no longer count."""
        self.deadlines = Deadlines()
        self._connections.fleet = self.fleet.renewed()

    def deploy(self, placement: Placement) -> None:
        """Give every board its pieces and wait until all have loaded them; the epoch rises.

        Raises
        ------
        BoardsLostError
            If a board that is needed refuses or is lost.
        BundleError
            If a piece has crashed on two boards.
        """
        if self.lapsed:
            # Planning takes its time, and a worker forgets a coordinator that says nothing.
            self._connections.greet(self.fleet.present)
        self._epoch += 1
        self._sent_planes = SentPlanes(self._manifest.preprocessing.planes)
        self.placement = placement
        self.fleet.require(placement.members)
        peers = self._connections.peers
        self._hand_out(
            {
                name: assignment_for(
                    name,
                    self._manifest,
                    placement,
                    self._epoch,
                    peers,
                    probabilities=self._probabilities,
                )
                for name in placement.members
            }
        )

    def stream(self, slices: Sequence[PendingSlice]) -> Iterator[Result]:
        """Send slices through the boards and yield each result as it comes back, in any order.

        Raises
        ------
        BoardsLostError
            If a board that is needed fails or is lost.
        """
        backlog = Backlog(slices, in_runs=self.sends_stacks)
        backlog.restart([lane.window for lane in self._deployed.lanes])
        while not backlog.done:
            self.admit(backlog)
            yield from self.collect(backlog)

    def admit(self, backlog: Backlog) -> None:
        """Send slices to the lanes that have room, and prepare the next for when there is."""
        if backlog is not self._backlog:
            self._backlog, self._first_number = backlog, self._next_number
            self._sent_at.clear()
        for pending, lane in backlog.admit():
            self._send_slice(pending, lane)
            self._sent_at[pending.index] = time.monotonic()
        backlog.look_ahead()

    def collect(self, backlog: Backlog) -> Iterator[Result]:
        """Yield the results that come back, after half a second at most; admit in their place.

        Raises
        ------
        BoardsLostError
            After the last of them, if a board that is needed has failed or is lost.
        """
        if backlog.done:
            return
        for name, message, payload in self._connections.poll():
            if self.fleet.states[name].barred:
                continue
            if isinstance(message, (Failed, Refused)):
                self._leave_out_failed(name, message)
            elif isinstance(message, SliceResult) and message.job.epoch == self._epoch:
                result = self._result(name, message, payload, backlog)
                if result is not None:
                    backlog.finish(result.index)
                    self._note_finished(result.index)
                    self._connections.fleet = self.fleet.progressed()
                    # The board should have its next slice before this result is processed.
                    self.admit(backlog)
                    yield result
        self.fleet.require(self._deployed.members)

    def keep_in_touch(self) -> None:
        """Ping and greet boards for half a second at most, and note who joins or is lost."""
        self._connections.poll()

    def pongs(self) -> dict[str, Pong]:
        """Ask every board present to report on itself; return the reports by board."""
        return self._connections.pongs()

    def versions(self) -> dict[str, dict[str, str]]:
        """Return, by board, the versions of what runs there."""
        return self._connections.versions()

    def close(self) -> None:
        """Release the boards and close the sockets."""
        self._connections.close()

    def _note_finished(self, index: int) -> None:
        sent_at = self._sent_at.pop(index, None)
        if sent_at is not None:
            self.deadlines.note_slice(time.monotonic() - sent_at)

    @property
    def _deployed(self) -> Placement:
        if self.placement is None:
            raise RuntimeError("deploy a placement before streaming")
        return self.placement

    def _hand_out(self, assignments: Mapping[str, Assignment]) -> None:
        """Give boards their assignments and wait until all have loaded their pieces.

        Raises
        ------
        BundleError
            If a piece has crashed on two boards.
        """
        signed = signed_manifest(self._bundle)
        for name, assignment in assignments.items():
            self._connections.send(name, replace(assignment, signed=signed))
        loading = set(assignments)
        start = time.monotonic()
        while loading:
            for name, message, _ in self._connections.poll():
                if isinstance(message, PieceRequest) and message.epoch == self._epoch:
                    self._send_piece(name, message.sha256)
                elif isinstance(message, Ready) and message.epoch == self._epoch:
                    loading.discard(name)
                elif isinstance(message, Refused):
                    self._leave_out_failed(name, message)
            # A step of an earlier epoch that still runs keeps the pieces from being loaded.
            waited_seconds = time.monotonic() - start
            self.leave_out_hanging(loading & {*self.fleet.present}, waited_seconds + _STEP_SECONDS)
            self.fleet.require(assignments)

    def _leave_out_failed(self, board: str, message: Failed | Refused) -> None:
        """Bar a board that says it can't do its part, unless it speaks of another epoch."""
        epoch = message.job.epoch if isinstance(message, Failed) else message.epoch
        if epoch != self._epoch:
            return
        self._connections.leave_out(board, message.reason)
        if isinstance(message, Refused) and message.crashing_piece:
            self._note_crash(board, message)

    def _note_crash(self, board: str, refusal: Refused) -> None:
        """Note that a piece crashes on a board; on a second one it is the piece, not the board."""
        boards = self._crashes.setdefault(refusal.crashing_piece, set())
        boards.add(board)
        if len(boards) > 1:
            raise BundleError(
                f"{self._bundle.path} can't be run: {refusal.reason} on "
                f"{' and '.join(sorted(boards))}; convert the model again, and see with edgeseg "
                "verify who made this bundle"
            )

    def _send_piece(self, board: str, sha256: str) -> None:
        piece = next((p for p in self._manifest.pieces if p.sha256 == sha256), None)
        if piece is None:
            self._connections.leave_out(board, "it asks for a piece that this bundle has not")
            return
        packed = self._bundle.packed_piece(piece)
        self._connections.send(board, PieceData(self._epoch, sha256), packed)

    def _send_slice(self, pending: PendingSlice, lane: int) -> None:
        number = self._first_number + pending.index
        job = Job(self._epoch, number, lane, pending.geometry)
        tensor, level_type = self._manifest.input.tensor, self._manifest.preprocessing.level_type
        planes = tuple(self._first_number + plane for plane in pending.planes)
        self._next_number = max(self._next_number, *(plane + 1 for plane in (number, *planes)))
        for board in reader_boards(self._manifest, self._deployed.lanes[lane], tensor):
            levels = pending.levels
            if planes:
                levels = self._sent_planes.to_send(board, lane, planes, levels)
            header = TensorData(job, tensor, level_type, levels.shape, planes)
            self._connections.send(board, header, levels if levels.size else None)

    def _result(
        self, board: str, message: SliceResult, payload: memoryview, backlog: Backlog
    ) -> Result | None:
        """Return the result that a message holds; None if it is not awaited from that board.

        A board that sends an array of the wrong shape is barred.
        """
        pending = self._awaited(board, message, backlog)
        if pending is None:
            return None
        try:
            array = tensor_array("uint8", self._shape(pending, message), payload)
        except WireError as error:
            self._connections.leave_out(board, f"it sent no mask of slice {pending.index}: {error}")
            return None
        return Result(pending.index, message.kind, array)

    def _result_bytes(self, board: str, message: SliceResult) -> int:
        """Return how many bytes the payload of a result may have; 0 if it is not awaited."""
        backlog = self._backlog
        if backlog is None or message.job.epoch != self._epoch:
            return 0
        pending = self._awaited(board, message, backlog)
        return 0 if pending is None else math.prod(self._shape(pending, message))

    def _awaited(self, board: str, message: SliceResult, backlog: Backlog) -> PendingSlice | None:
        """Return the slice that a result is of, if it is awaited from that board."""
        pending, lane = backlog.in_flight(message.job.slice - self._first_number) or (None, 0)
        last_piece = self._manifest.pieces[-1].name
        if pending is None or self._deployed.lanes[lane].boards[last_piece] != board:
            return None
        return pending

    def _shape(self, pending: PendingSlice, message: SliceResult) -> tuple[int, ...]:
        """Return the shape that a result must have: native (H, W), or the model's (H, W, C)."""
        if message.kind == "mask" and not self._probabilities:
            return (pending.geometry.rows, pending.geometry.cols)
        return self._manifest.output.shape[1:]
