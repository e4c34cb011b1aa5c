"""Status of the workers of boards, asked without disturbing whom they serve."""

import time
from collections.abc import Sequence
from types import TracebackType

import msgspec
import zmq
from typing_extensions import Self

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.errors import WireError
from edgeseg_runtime.messaging.addresses import address_problem
from edgeseg_runtime.messaging.endpoints import normalize_endpoint
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import PROTOCOL, Refused, StatusRequest, WorkerStatus

ANSWER_SECONDS = 2.0
"""A worker that has not answered by then is unreachable."""


class BoardStatus(msgspec.Struct, frozen=True):
    """One board when it was last asked.

    Attributes
    ----------
    board, endpoint
        Its name and where its worker listens.
    condition
        What the worker reports; None if it did not answer.
    problem
        Why there is no report, or None.
    slices_per_second
        Since the look before; None at the first look, and after a restart of the worker.
    """

    board: str
    endpoint: str
    condition: WorkerStatus | None = None
    problem: str | None = None
    slices_per_second: float | None = None


def worker_status(
    boards: Sequence[str | BoardEntry],
    keys: KeyPair | None = None,
    *,
    interval_seconds: float = 1.0,
) -> tuple[BoardStatus, ...]:
    """Ask workers for their status, without disturbing whom they serve.

    Parameters
    ----------
    boards
        Endpoints or entries of the boards; a boards file read by ``read_boards`` has entries.
    keys
        This machine's own, where the workers ask for some.
    interval_seconds
        If a worker answers, all are asked again after so many seconds: slices that they finish
        meanwhile tell their speed.

    Raises
    ------
    UsageError
        If a board has no endpoint, or one that is none.
    """
    with StatusWatch(boards, keys) as watch:
        statuses = watch.look()
        if any(status.condition for status in statuses):
            time.sleep(interval_seconds)
            statuses = watch.look()
    return statuses


class StatusWatch:
    """Connections to the workers of boards for status alone, open for a ``with`` block.

    Parameters
    ----------
    boards
        Endpoints or entries of the boards.
    keys
        This machine's own, where the workers ask for some.

    Raises
    ------
    UsageError
        If a board has no endpoint, or one that is none.
    """

    def __init__(self, boards: Sequence[str | BoardEntry], keys: KeyPair | None = None) -> None:
        entries = [
            board if isinstance(board, BoardEntry) else BoardEntry(board, board) for board in boards
        ]
        self._public_keys = {entry.name: entry.public_key for entry in entries}
        self._endpoints = {entry.name: normalize_endpoint(entry.address) for entry in entries}
        self._keys = keys
        self._last: dict[str, WorkerStatus] = {}

    def __enter__(self) -> Self:
        """Open the connections."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._links = {
            name: PeerSocket(
                self._context, endpoint, self._keys, self._public_keys[name], watched=True
            )
            for name, endpoint in self._endpoints.items()
        }
        self._poller = zmq.Poller()
        for link in self._links.values():
            self._poller.register(link.socket, zmq.POLLIN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        for link in self._links.values():
            link.abandon()
        self._context.term()

    def look(self) -> tuple[BoardStatus, ...]:
        """Ask every worker and wait until each has answered, two seconds at most."""
        for link in self._links.values():
            link.send(StatusRequest(PROTOCOL))
        answers: dict[str, WorkerStatus | str] = {}
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(answers) < len(self._links) and (left := deadline - time.monotonic()) > 0:
            self._poller.poll(round(left * 1000))
            for name, link in self._links.items():
                if (answer := _answer(link)) is not None:
                    answers[name] = answer
        return tuple(
            self._status(name, answers[name] if name in answers else _silence(link))
            for name, link in self._links.items()
        )

    def _status(self, name: str, answer: WorkerStatus | str) -> BoardStatus:
        endpoint = self._endpoints[name]
        if isinstance(answer, str):
            return BoardStatus(name, endpoint, problem=answer)
        before, self._last[name] = self._last.get(name), answer
        return BoardStatus(name, endpoint, answer, slices_per_second=speed(before, answer))


def speed(before: WorkerStatus | None, now: WorkerStatus) -> float | None:
    """Return slices a second between two reports of one worker; None across a restart."""
    if before is None or now.uptime_seconds <= before.uptime_seconds:
        return None
    return (now.slices - before.slices) / (now.uptime_seconds - before.uptime_seconds)


def _silence(link: PeerSocket) -> str:
    """Return why a worker has not answered, as far as it can be told."""
    return link.refusal or address_problem(link.endpoint) or "no answer"


def _answer(link: PeerSocket) -> WorkerStatus | str | None:
    """Return the last report that has come, why there is none, or None while nothing came."""
    answer: WorkerStatus | str | None = None
    try:
        while (received := link.receive()) is not None:
            message, _ = received
            if isinstance(message, WorkerStatus):
                answer = message
            elif isinstance(message, Refused):
                answer = message.reason
    except WireError as error:
        return f"speaks another protocol: {error}"
    return answer
