"""Who is served: one coordinator at a time, until it takes its leave or falls silent. Pure."""

from edgeseg_runtime.messaging.wire import HELD_SECONDS, NO_EPOCH, PROTOCOL, Hello, Refused


class Admission:
    """The coordinator that is served now, if any.

    Times are those of ``time.monotonic``.
    """

    def __init__(self) -> None:
        self.session = ""
        self.coordinator = b""
        self.since = 0.0
        self._board = ""
        self._heard = 0.0

    def objection(self, sender: bytes, hello: Hello) -> Refused | None:
        """Say why somebody can't be served, or None."""
        if hello.protocol != PROTOCOL:
            return other_protocol()
        if self.coordinator and hello.session != self.session:
            reason = "this worker serves another coordinator now; wait until that has finished"
            return Refused(NO_EPOCH, reason, busy=True)
        if self.coordinator and sender != self.coordinator and not self._returns(hello):
            reason = "this worker is among the boards already; give each board once"
            return Refused(NO_EPOCH, reason)
        return None

    def admit(self, sender: bytes, hello: Hello, now: float) -> bool:
        """Serve a coordinator from here on; tell whether it is over a new connection."""
        new = sender != self.coordinator
        if not self.coordinator:
            self.since = now
        self.session, self.coordinator, self._board = hello.session, sender, hello.board
        self._heard = now
        return new

    def hear(self, now: float) -> None:
        """Note a sign of life."""
        self._heard = now

    def abandoned(self, now: float) -> bool:
        """Tell whether the coordinator has been silent for so long that it must be gone."""
        return bool(self.coordinator) and now - self._heard > HELD_SECONDS

    def dismiss(self) -> None:
        """Serve nobody."""
        self.session, self.coordinator, self._board = "", b"", ""

    def _returns(self, hello: Hello) -> bool:
        """Tell whether the coordinator, by the name it has for this board, lost a connection."""
        return bool(hello.board) and hello.board == self._board


def other_protocol() -> Refused:
    """Return the answer to somebody of another protocol."""
    reason = f"this worker speaks protocol {PROTOCOL}; install the same edgeseg on both"
    return Refused(NO_EPOCH, reason)
