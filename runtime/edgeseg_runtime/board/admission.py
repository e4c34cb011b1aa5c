"""Which coordinator is served: one at a time, until it leaves or falls silent. Pure."""

from edgeseg_runtime.messaging.wire import HELD_SECONDS, NO_EPOCH, PROTOCOL, Hello, Refused


class Admission:
    """The coordinator that is served now, if any.

    Times are those of ``time.monotonic``, in seconds.
    """

    def __init__(self) -> None:
        self.session = ""
        self.coordinator = b""
        """The connection that is served; empty while nobody is."""
        self.since = 0.0
        """When the session began."""
        self._board = ""
        self._last_heard = 0.0

    def refusal(self, sender: bytes, hello: Hello) -> Refused | None:
        """Return why a coordinator can't be served, or None if it can."""
        if hello.protocol != PROTOCOL:
            return protocol_refusal()
        if self.coordinator and hello.session != self.session:
            reason = "this worker serves another coordinator now; wait until that has finished"
            return Refused(NO_EPOCH, reason, busy=True)
        if self.coordinator and sender != self.coordinator and not self._reconnects(hello):
            reason = "this worker is among the boards already; give each board once"
            return Refused(NO_EPOCH, reason)
        return None

    def admit(self, sender: bytes, hello: Hello, now: float) -> bool:
        """Serve a coordinator from now on; return whether its connection is a new one."""
        is_new = sender != self.coordinator
        if not self.coordinator:
            self.since = now
        self.session, self.coordinator, self._board = hello.session, sender, hello.board
        self._last_heard = now
        return is_new

    def note_heard(self, now: float) -> None:
        """Note that the coordinator was heard from."""
        self._last_heard = now

    def is_abandoned(self, now: float) -> bool:
        """Tell whether the coordinator has been silent for so long that it must be gone."""
        return bool(self.coordinator) and now - self._last_heard > HELD_SECONDS

    def release(self) -> None:
        """Serve nobody."""
        self.session, self.coordinator, self._board = "", b"", ""

    def _reconnects(self, hello: Hello) -> bool:
        """Tell whether the coordinator comes for the board that is served, after a broken link."""
        return bool(hello.board) and hello.board == self._board


def protocol_refusal() -> Refused:
    """Return the answer to somebody who speaks another protocol."""
    reason = f"this worker speaks protocol {PROTOCOL}; install the same edgeseg on both"
    return Refused(NO_EPOCH, reason)
