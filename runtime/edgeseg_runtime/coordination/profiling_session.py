"""A coordinator that measures boards: their pieces one by one, and their links both ways."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeseg.bundle.manifest import Piece
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.messaging.assignments import trial_assignment
from edgeseg_runtime.messaging.wire import Echo, Probe, TrialRequest, TrialResult, filling


@dataclass(frozen=True)
class ProbeAnswer:
    """How long a probe of a link took, and how long the board's cores had worked by then.

    Attributes
    ----------
    seconds
        From sending the probe to its answer.
    cpu_seconds
        CPU time of the worker's process since it started, as of the answer.
    """

    seconds: float
    cpu_seconds: float


class ProfilingSession(Coordinator):
    """Loads, runs and probes on the boards for the time that it takes; no slices pass."""

    def load(self, pieces: Mapping[str, Sequence[Piece]]) -> None:
        """Load pieces on boards, by name, in place of those there; the epoch rises.

        Raises
        ------
        BoardsLostError
            If a board refuses or is lost.
        """
        self._epoch += 1
        self._hand_out(
            {
                board: trial_assignment(self._manifest, board_pieces, self._epoch)
                for board, board_pieces in pieces.items()
            }
        )

    def time_pieces(self, pieces: Mapping[str, Piece]) -> dict[str, float]:
        """Run one loaded piece on one core of each board, all at once; return seconds by board.

        Raises
        ------
        BoardsLostError
            If a board is lost.
        """
        requests = {board: TrialRequest(self._epoch, piece.name) for board, piece in pieces.items()}
        results = self._connections.ask(requests, TrialResult)
        return {board: result.seconds for board, result in results.items()}

    def probe(self, board: str, sent_bytes: int, returned_bytes: int) -> ProbeAnswer:
        """Send bytes to a board that holds no pieces, and have bytes back.

        Raises
        ------
        BoardsLostError
            If the board is lost.
        """
        payload = filling(sent_bytes)
        start = time.perf_counter()
        probes = {board: Probe(returned_bytes)}
        (echo,) = self._connections.ask(probes, Echo, payload).values()
        return ProbeAnswer(time.perf_counter() - start, echo.cpu_seconds)
