"""How the workers of several boards fare, asked without disturbing whom they serve."""

import time
from collections.abc import Sequence
from types import TracebackType

import msgspec
import zmq
from typing_extensions import Self

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.errors import WireError
from edgeseg_runtime.messaging.endpoints import normalize_endpoint
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import PROTOCOL, Refused, StatusRequest, WorkerStatus

ANSWER_SECONDS = 2.0
"""A worker that has not answered by then is taken for unreachable."""


class BoardStatus(msgspec.Struct, frozen=True):
    """What was seen of one board: its condition, or why there is none."""

    board: str
    endpoint: str
    condition: WorkerStatus | None = None
    problem: str | None = None
    slices_per_second: float | None = None


class Watch:
    """Links to the workers of some boards, open for the length of the block.

    Parameters
    ----------
    entries
        The boards.
    keys
        This machine's own keys, where the workers ask for some.

    Raises
    ------
    UsageError
        If a board has no endpoint, or one that is none.
    """

    def __init__(self, entries: Sequence[BoardEntry], keys: KeyPair | None = None) -> None:
        self._public = {entry.name: entry.public_key for entry in entries}
        self._endpoints = {entry.name: normalize_endpoint(entry.address) for entry in entries}
        self._keys = keys
        self._last: dict[str, WorkerStatus] = {}

    def __enter__(self) -> Self:
        """Open the links."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._links = {
            name: PeerSocket(self._context, endpoint, self._keys, self._public[name], watched=True)
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
        """Close the links."""
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
        silent = {name: link.refusal or "no answer" for name, link in self._links.items()}
        return tuple(self._sighting(name, answer) for name, answer in (silent | answers).items())

    def _sighting(self, name: str, answer: WorkerStatus | str) -> BoardStatus:
        endpoint = self._endpoints[name]
        if isinstance(answer, str):
            return BoardStatus(name, endpoint, problem=answer)
        before, self._last[name] = self._last.get(name), answer
        return BoardStatus(name, endpoint, answer, slices_per_second=speed(before, answer))


def speed(before: WorkerStatus | None, now: WorkerStatus) -> float | None:
    """Return slices a second between two conditions of one worker; None across a restart."""
    if before is None or now.uptime_seconds <= before.uptime_seconds:
        return None
    return (now.slices - before.slices) / (now.uptime_seconds - before.uptime_seconds)


def _answer(link: PeerSocket) -> WorkerStatus | str | None:
    """Return the last condition that has come, why there is none, or None."""
    found: WorkerStatus | str | None = None
    try:
        while (got := link.receive()) is not None:
            message, _ = got
            if isinstance(message, WorkerStatus):
                found = message
            elif isinstance(message, Refused):
                found = message.reason
    except WireError as error:
        return f"speaks another protocol: {error}"
    return found
