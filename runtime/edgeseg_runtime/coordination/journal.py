"""What happened in a run: losses, placements, slices sent again, and the work of every board."""

import time
from collections.abc import Mapping

from msgspec.structs import replace

from edgeseg_runtime.messaging.wire import Pong
from edgeseg_runtime.results.run_report import LossReport, since, together


class Journal:
    """Kept from the first slice of a run to the last."""

    def __init__(self) -> None:
        self.losses: list[LossReport] = []
        self.epochs = 0
        self.replayed = 0
        self.work: dict[str, Pong] = {}
        self._start = time.monotonic()
        self._before: dict[str, Pong] = {}

    def lost(self, board: str, reason: str) -> None:
        """Note that a board was lost."""
        self.losses.append(LossReport(board, reason, time.monotonic() - self._start, None))

    def came_back(self) -> None:
        """Note that a slice has come back: what was lost before has been recovered from."""
        if self.losses and self.losses[-1].recovery_seconds is None:
            now = time.monotonic() - self._start
            self.losses = [
                replace(loss, recovery_seconds=now - loss.at_seconds)
                if loss.recovery_seconds is None
                else loss
                for loss in self.losses
            ]

    def opened(self, pongs: Mapping[str, Pong]) -> None:
        """Begin an epoch with boards that fare so."""
        self.epochs += 1
        self._before = dict(pongs)

    def closed(self, pongs: Mapping[str, Pong]) -> None:
        """End an epoch with boards that fared so when they were last heard."""
        for name, before in self._before.items():
            if name in pongs:
                work = since(before, pongs[name])
                self.work[name] = together(self.work[name], work) if name in self.work else work
        self._before = {}
