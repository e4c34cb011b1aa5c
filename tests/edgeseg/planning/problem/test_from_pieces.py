"""Problems of a manifest's pieces: bytes on the wire, seconds measured or estimated, links."""

import msgspec
from manifests import IMAGE, KIB, chain_manifest

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT, Link
from edgeseg.bundle.manifest import Port, Preprocessing
from edgeseg.planning.problem.from_pieces import REFERENCE_FLOPS, problem_of

BOARDS = [Board("a", 2**20, speed=2.0), Board("b", 2**20)]


def test_image_and_mask_travel_as_bytes_and_tensors_as_floats() -> None:
    flows = problem_of(chain_manifest([1, 1], channels=4).pieces, BOARDS).flows
    image, between, mask = flows
    assert (image.wire_bytes, image.held_bytes) == (64, IMAGE.nbytes)
    assert (between.wire_bytes, between.held_bytes) == (4 * 4 * 64, 4 * 4 * 64)
    assert (mask.wire_bytes, mask.held_bytes, mask.returns) == (64, 4 * 64, True)
    assert [flow.producer for flow in flows] == [None, 0, 1]
    assert [flow.readers for flow in flows] == [(0,), (1,), ()]


def test_of_an_image_one_plane_travels_whatever_its_channels() -> None:
    (piece,) = chain_manifest([1]).pieces
    colour = msgspec.structs.replace(piece, inputs=(Port("image", (1, 8, 8, 3)),))
    image, _ = problem_of([colour], BOARDS).flows
    assert (image.wire_bytes, image.held_bytes) == (64, 3 * 4 * 64)


def test_of_a_stack_one_plane_travels_and_all_wait() -> None:
    (piece,) = chain_manifest([1]).pieces
    stack = msgspec.structs.replace(piece, inputs=(Port("image", (1, 8, 8, 3)),))
    how = Preprocessing((-200.0, 300.0), (8, 8), channels=3, slices=3, level_bits=16)
    problem = problem_of([stack], BOARDS, preprocessing=how)
    plain = problem_of([stack], BOARDS)
    assert problem.flows[0].wire_bytes == 2 * 64
    assert problem.flows[0].held_bytes == 3 * 4 * 64
    assert problem.image_planes == 3
    # Three planes as they were received instead of a byte a value, and three kept for the next.
    received, mask = 3 * 2 * 64, (2 + 12) * 64
    assert plain.working_bytes == max(3 * 64, mask)
    assert problem.working_bytes == max(received, mask) + 3 * 2 * 64


def test_seconds_are_measured_where_they_are_known_and_estimated_elsewhere() -> None:
    manifest = chain_manifest([10**9, 10**9])
    problem = problem_of(manifest.pieces, BOARDS, seconds={"a": {"piece_00": 0.25}})
    assert problem.estimated
    assert problem.pieces[0].seconds == (0.25, 1e9 / REFERENCE_FLOPS)
    assert problem.pieces[1].seconds == (1e9 / REFERENCE_FLOPS / 2, 1e9 / REFERENCE_FLOPS)
    measured = {name: {"piece_00": 1.0, "piece_01": 2.0} for name in "ab"}
    assert not problem_of(manifest.pieces, BOARDS, seconds=measured).estimated


def test_it_is_known_which_boards_were_not_measured() -> None:
    manifest = chain_manifest([1, 1], [100 * KIB, 300 * KIB])
    small, large = Board("small", 200 * KIB), Board("large", 400 * KIB)
    alone = {"piece_00": 0.1}
    problem = problem_of(manifest.pieces, [small, large], {"small": alone, "large": alone})
    assert problem.estimated_boards == ("large",)
    assert problem.only([0]).estimated_boards == ("large",)


def test_links_are_gigabit_where_nothing_is_known() -> None:
    slow = Link(1e6, 2e6, 0.01)
    problem = problem_of(chain_manifest([1]).pieces, BOARDS, links={"b": slow})
    assert problem.links == (GIGABIT, slow)
