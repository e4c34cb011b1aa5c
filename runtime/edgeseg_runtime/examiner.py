"""A coordinator that tries boards out: one piece at a time, and their links both ways."""

import time
from collections.abc import Sequence

from edgeseg.manifest import Piece
from edgeseg_runtime.coordinator import Coordinator
from edgeseg_runtime.orders import trial_of
from edgeseg_runtime.wire import Echo, Probe, Trial, Tried


class Examiner(Coordinator):
    """Has boards do things for the time that they take; no slices pass."""

    def load(self, board: str, pieces: Sequence[Piece]) -> None:
        """Have a board load pieces in place of what it has, to be tried; the epoch rises.

        Raises
        ------
        BoardsLostError
            If the board refuses or is lost.
        """
        self._epoch += 1
        self._hand_out({board: trial_of(self._manifest, pieces, self._epoch)})

    def try_piece(self, board: str, piece: Piece) -> float:
        """Run a loaded piece once on one core of its board; return the seconds it took there.

        Raises
        ------
        BoardsLostError
            If the board is lost.
        """
        return self._connections.ask(board, Trial(self._epoch, piece.name), Tried).seconds

    def probe(self, board: str, sent: int, returned: int) -> float:
        """Send bytes to a board that holds no pieces and have bytes back; return the seconds.

        Raises
        ------
        BoardsLostError
            If the board is lost.
        """
        payload = bytes(sent)
        start = time.perf_counter()
        self._connections.ask(board, Probe(returned), Echo, payload)
        return time.perf_counter() - start
