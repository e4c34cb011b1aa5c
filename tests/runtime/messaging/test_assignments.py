"""What each board is told adds up to the placement."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifests import KIB, chain_manifest, manifests

from edgeseg.boards.memory_use import slice_bytes
from edgeseg.boards.placement import Lane, Placement, handovers_of
from edgeseg.bundle.manifest import Manifest, Port
from edgeseg_runtime.messaging.assignments import (
    assignment_for,
    contradiction,
    reader_boards,
    trial_assignment,
)
from edgeseg_runtime.messaging.wire import Assignment, Peer

_NAMES = ("a", "b", "c")
_BOARDS = {
    name: Peer(f"tcp://127.0.0.1:{port}", name * 40) for port, name in enumerate(_NAMES, start=7000)
}


@st.composite
def _placements(draw: st.DrawFn) -> tuple[Manifest, Placement]:
    """Any board for any piece: folded placements, and boards that serve two lanes."""
    manifest = draw(manifests())
    lanes = tuple(
        Lane(
            {piece.name: draw(st.sampled_from(_NAMES)) for piece in manifest.pieces},
            draw(st.integers(1, 4)),
        )
        for _ in range(draw(st.integers(1, 2)))
    )
    return manifest, Placement(lanes, {})


def _assignments(manifest: Manifest, placement: Placement) -> dict[str, Assignment]:
    return {
        name: assignment_for(name, manifest, placement, 3, _BOARDS) for name in placement.members
    }


@given(_placements())
def test_every_piece_is_told_to_its_board_in_every_lane(drawn: tuple[Manifest, Placement]) -> None:
    manifest, placement = drawn
    boards = {
        (routes.lane, piece): name
        for name, assignment in _assignments(manifest, placement).items()
        for routes in assignment.routes
        for piece in routes.pieces
    }
    assert boards == {
        (number, piece): board
        for number, lane in enumerate(placement.lanes)
        for piece, board in lane.boards.items()
    }


@given(_placements())
def test_boards_are_told_what_is_ahead_of_each_piece(drawn: tuple[Manifest, Placement]) -> None:
    manifest, placement = drawn
    for assignment in _assignments(manifest, placement).values():
        for routes in assignment.routes:
            ahead = handovers_of(manifest, placement.lanes[routes.lane])
            assert routes.handovers == {name: ahead[name] for name in routes.pieces}


@given(_placements())
def test_every_tensor_reaches_every_board_that_reads_it_once(
    drawn: tuple[Manifest, Placement],
) -> None:
    """From its maker here, from elsewhere, or from the coordinator if it is the image."""
    manifest, placement = drawn
    assignments = _assignments(manifest, placement)
    for number, lane in enumerate(placement.lanes):
        arrived = {(manifest.input.tensor, name) for name in _image_boards(manifest, lane)}
        for name, assignment in assignments.items():
            for routes in (routes for routes in assignment.routes if routes.lane == number):
                outputs = [
                    p.tensor
                    for piece in assignment.pieces
                    if piece.name in routes.pieces
                    for p in piece.outputs
                ]
                assert set(routes.destinations) <= set(outputs)
                sent = {(t, to) for t, names in routes.destinations.items() for to in names}
                assert not any(to == name for _, to in sent)
                assert not sent & arrived
                arrived |= sent | {
                    (t, name) for t in outputs if name in reader_boards(manifest, lane, t)
                }
        destinations = {
            (port.tensor, lane.boards[piece.name])
            for piece in manifest.pieces
            for port in piece.inputs
        }
        assert arrived == destinations


def _image_boards(manifest: Manifest, lane: Lane) -> tuple[str, ...]:
    return reader_boards(manifest, lane, manifest.input.tensor)


@given(_placements())
def test_an_assignment_makes_sense_and_reserves_its_windows(
    drawn: tuple[Manifest, Placement],
) -> None:
    manifest, placement = drawn
    for name, assignment in _assignments(manifest, placement).items():
        assert contradiction(assignment) is None
        assert assignment.epoch == 3
        assert assignment.reserved_bytes == sum(
            lane.window
            * slice_bytes(manifest, frozenset(p for p, at in lane.boards.items() if at == name))
            for lane in placement.lanes
        )
        assert all(_BOARDS[peer] == at for peer, at in assignment.peers.items())
        assert name not in assignment.peers


@given(_placements())
def test_a_board_admits_the_keys_of_those_that_send_to_it(
    drawn: tuple[Manifest, Placement],
) -> None:
    assignments = _assignments(*drawn)
    for name, assignment in assignments.items():
        senders = {sender for sender, order in assignments.items() if name in order.peers}
        assert assignment.admits == tuple(sender * 40 for sender in sorted(senders))


@pytest.mark.parametrize(
    "spoil",
    [
        {"pieces": ()},
        {"sources": ()},
        {"peers": {}},
    ],
)
def test_an_assignment_that_lacks_something_is_noticed(spoil: dict[str, object]) -> None:
    manifest = chain_manifest([1, 1], [KIB, KIB])
    placement = Placement((Lane({"piece_00": "a", "piece_01": "b"}, 1),), {})
    assignment = assignment_for("a", manifest, placement, 1, _BOARDS)
    assert contradiction(assignment) is None
    assert contradiction(msgspec.structs.replace(assignment, **spoil)) is not None


def test_two_pieces_of_one_name_are_noticed() -> None:
    manifest = chain_manifest([1], [KIB])
    placement = Placement((Lane({"piece_00": "a"}, 1),), {})
    assignment = assignment_for("a", manifest, placement, 1, _BOARDS)
    twice = msgspec.structs.replace(assignment, pieces=assignment.pieces * 2)
    assert contradiction(twice) == "two pieces have the same name"


def test_the_image_comes_as_floats_whatever_the_first_piece_reads() -> None:
    manifest = chain_manifest([1])
    (piece,) = manifest.pieces
    quantized = Port("image", (1, 8, 8, 1), "int8", 0.1, 0)
    manifest = msgspec.structs.replace(
        manifest, pieces=(msgspec.structs.replace(piece, inputs=(quantized,)),)
    )
    placement = Placement((Lane({"piece_00": "a"}, 1),), {})
    (source,) = assignment_for("a", manifest, placement, 1, _BOARDS).sources
    assert (source.tensor, source.dtype) == ("image", "float32")


@given(manifests(), st.data())
def test_pieces_to_be_tried_come_with_what_they_read_and_no_routes(
    manifest: Manifest, data: st.DataObject
) -> None:
    pieces = data.draw(st.lists(st.sampled_from(manifest.pieces), min_size=1, unique=True))
    assignment = trial_assignment(manifest, pieces, 3)
    assert contradiction(assignment) is None
    assert (assignment.epoch, assignment.pieces, assignment.routes, assignment.peers) == (
        3,
        tuple(pieces),
        (),
        {},
    )
    each = [slice_bytes(manifest, frozenset({piece.name})) for piece in pieces]
    assert assignment.reserved_bytes == max(each)


_SHIFTED = (("piece_00", "piece_01"), ("piece_02",))


def test_a_board_in_shifts_is_told_its_groups_and_what_waits_on_disk() -> None:
    manifest = chain_manifest([1, 1, 1], channels=2)
    lane = Lane(dict.fromkeys(("piece_00", "piece_01", "piece_02"), "a"), 5, _SHIFTED)
    assignment = assignment_for("a", manifest, Placement((lane,), {}), 1, _BOARDS)
    assert contradiction(assignment) is None
    assert assignment.shifts == _SHIFTED
    assert assignment.spool_bytes == 5 * 4 * 64 * 2
    assert assignment.reserved_bytes == 5 * 64
    assert assignment.routes[0].window == 5


@pytest.mark.parametrize(
    "shifts",
    [
        (("piece_00", "piece_01"),),
        (("piece_02",), ("piece_00", "piece_01")),
        (("piece_00", "piece_01"), ("piece_01", "piece_02")),
        (("piece_00", "piece_01"), (), ("piece_02",)),
        (("piece_00", "piece_09"), ("piece_02",)),
    ],
)
def test_shifts_that_make_no_sense_are_noticed(shifts: tuple[tuple[str, ...], ...]) -> None:
    manifest = chain_manifest([1, 1, 1])
    lane = Lane(dict.fromkeys(("piece_00", "piece_01", "piece_02"), "a"), 5, _SHIFTED)
    assignment = assignment_for("a", manifest, Placement((lane,), {}), 1, _BOARDS)
    spoiled = msgspec.structs.replace(assignment, shifts=shifts)
    assert "shifts" in (contradiction(spoiled) or "")
    two = msgspec.structs.replace(assignment, routes=assignment.routes * 2)
    assert "shifts" in (contradiction(two) or "")
