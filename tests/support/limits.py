"""Memory limits under which a bundle must be cut."""

from functools import lru_cache

from edgeseg.boards.boards_file import Board
from edgeseg.boards.memory_use import peak_board_bytes, slice_bytes, working_bytes
from edgeseg.bundle.manifest import Manifest
from edgeseg.planning.outcome.time_sharing import time_sharing_of
from edgeseg.planning.problem.from_pieces import problem_of, sources_of

MARGIN = 2**20
"""Workers of one machine do not start with exactly the same memory."""


def memory_need(manifest: Manifest, board: Board, here: frozenset[str], window: int) -> int:
    """Bytes that a board's worker enters into its ledger for these pieces and that window."""
    pieces = [piece for piece in manifest.pieces if piece.name in here]
    image, output = manifest.input.tensor, manifest.output.tensor
    working = working_bytes(manifest.pieces, sources_of(manifest.pieces), image, output)
    need = peak_board_bytes(pieces, window * slice_bytes(manifest, here))
    return board.base_memory + board.cores * working + need


def limit_for_runs(manifest: Manifest, base: int, count: int) -> int:
    """Return the least limit with which that many equal boards hold the bundle; fewer do not."""
    limits = [_least(manifest, base, runs) + MARGIN for runs in range(1, count + 1)]
    assert limits == sorted(limits, reverse=True)
    assert count == 1 or limits[0] - limits[-1] > MARGIN
    return limits[-1]


def _least(manifest: Manifest, base: int, count: int) -> int:
    """The smallest of all largest needs when the pieces are cut into that many runs."""
    names = [piece.name for piece in manifest.pieces]
    board = Board("any", 0, base)

    @lru_cache
    def least(start: int, runs: int) -> int:
        if runs == 1:
            return memory_need(manifest, board, frozenset(names[start:]), 1)
        return min(
            max(memory_need(manifest, board, frozenset(names[start:end]), 1), least(end, runs - 1))
            for end in range(start + 1, len(names) - runs + 2)
        )

    return least(0, count)


def limit_in_shifts(manifest: Manifest, base: int, cores: int = 1) -> int:
    """Return about the least limit with which a board runs the bundle in shifts, piece by piece."""
    limit = base
    while (
        time_sharing_of(problem_of(manifest.pieces, [Board("any", limit, base, cores)]), 0) is None
    ):
        limit += MARGIN // 4
    whole = frozenset(piece.name for piece in manifest.pieces)
    assert limit + MARGIN < memory_need(manifest, Board("any", 0, base, cores), whole, 1)
    return limit + MARGIN
