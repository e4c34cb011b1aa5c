"""What happened in a run: losses, placements, slices sent again, and the work of every board."""

import time
from collections.abc import Mapping

from msgspec.structs import replace

from edgeseg_runtime.messaging.wire import Pong
from edgeseg_runtime.results.run_report import LossReport, work_between, work_sum


class Journal:
    """Events of one run, kept from its first slice to its last.

    Attributes
    ----------
    losses
        Boards that were lost, in order.
    epochs
        How many placements were run.
    replayed
        How many slices were sent again.
    work
        What every board did in the epochs that have ended, by name.
    """

    def __init__(self) -> None:
        self.losses: list[LossReport] = []
        self.epochs = 0
        self.replayed = 0
        self.work: dict[str, Pong] = {}
        self._start = time.monotonic()
        self._at_epoch_start: dict[str, Pong] = {}

    def board_lost(self, board: str, reason: str) -> None:
        """Note that a board was lost."""
        self.losses.append(LossReport(board, reason, time.monotonic() - self._start, None))

    def slice_returned(self) -> None:
        """Note that a slice has come back: the run has recovered from all losses so far."""
        if self.losses and self.losses[-1].recovery_seconds is None:
            now = time.monotonic() - self._start
            self.losses = [
                replace(loss, recovery_seconds=now - loss.at_seconds)
                if loss.recovery_seconds is None
                else loss
                for loss in self.losses
            ]

    def epoch_began(self, pongs: Mapping[str, Pong]) -> None:
        """Begin an epoch with what each board reports of itself at its start."""
        self.epochs += 1
        self._at_epoch_start = dict(pongs)

    def epoch_ended(self, pongs: Mapping[str, Pong]) -> None:
        """End the epoch with what each board last reported; without an open epoch do nothing."""
        for name, start in self._at_epoch_start.items():
            if name in pongs:
                work = work_between(start, pongs[name])
                self.work[name] = work_sum(self.work[name], work) if name in self.work else work
        self._at_epoch_start = {}
