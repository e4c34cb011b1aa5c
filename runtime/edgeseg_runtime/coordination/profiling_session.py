"""A coordinator that tries boards out: their pieces one by one, and their links both ways."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeseg.bundle.manifest import Piece
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.messaging.assignments import trial_of
from edgeseg_runtime.messaging.wire import Echo, Probe, TrialRequest, TrialResult, filling


@dataclass(frozen=True)
class Probed:
    """What a probe took, and how long the board's cores had worked when it answered."""

    seconds: float
    cpu_seconds: float


class ProfilingSession(Coordinator):
    """Has boards do things for the time that they take; no slices pass."""

    def load(self, pieces: Mapping[str, Sequence[Piece]]) -> None:
        """Have boards load pieces in place of what they have, to be tried; the epoch rises.

        Raises
        ------
        BoardsLostError
            If a board refuses or is lost.
        """
        self._epoch += 1
        self._hand_out(
            {board: trial_of(self._manifest, some, self._epoch) for board, some in pieces.items()}
        )

    def try_pieces(self, pieces: Mapping[str, Piece]) -> dict[str, float]:
        """Run a loaded piece on one core of each board, all at once; return the seconds it took.

        Raises
        ------
        BoardsLostError
            If a board is lost.
        """
        trials = {board: TrialRequest(self._epoch, piece.name) for board, piece in pieces.items()}
        tried = self._connections.ask(trials, TrialResult)
        return {board: answer.seconds for board, answer in tried.items()}

    def probe(self, board: str, sent: int, returned: int) -> Probed:
        """Send bytes to a board that holds no pieces and have bytes back.

        Raises
        ------
        BoardsLostError
            If the board is lost.
        """
        payload = filling(sent)
        start = time.perf_counter()
        (echo,) = self._connections.ask({board: Probe(returned)}, Echo, payload).values()
        return Probed(time.perf_counter() - start, echo.cpu_seconds)
