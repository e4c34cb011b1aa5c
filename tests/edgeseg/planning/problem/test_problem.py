"""Problems for some of the boards, and boards that are alike."""

from manifests import chain_manifest

from edgeseg.boards.boards_file import Board
from edgeseg.planning.problem.from_pieces import REFERENCE_FLOPS, problem_of

BOARDS = [Board("a", 2**20, speed=2.0), Board("b", 2**20)]


def test_some_boards_are_a_problem_of_their_own() -> None:
    problem = problem_of(chain_manifest([10**9]).pieces, BOARDS)
    alone = problem.only([1])
    assert alone.boards == (BOARDS[1],)
    assert alone.pieces[0].seconds == (1e9 / REFERENCE_FLOPS,)


def test_boards_are_alike_but_for_their_names() -> None:
    boards = [Board("a", 100), Board("b", 100), Board("c", 101)]
    problem = problem_of(chain_manifest([1]).pieces, boards)
    assert problem.kind(0) == problem.kind(1) != problem.kind(2)
