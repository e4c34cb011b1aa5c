"""What is entered before anything is held: all of it, and never more than the limit."""

import itertools
from dataclasses import replace

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from manifests import IMAGE, KIB, make_manifest, make_piece, manifests

from edgeseg.boards.boards_file import Board
from edgeseg.boards.memory_use import (
    peak_board_bytes,
    peak_tensor_bytes,
    slice_bytes,
    waiting_bytes,
    working_bytes,
)
from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.manifest import Manifest, Port, Preprocessing
from edgeseg.errors import BoardError
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.problem.from_pieces import problem_of, sources_of
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.memory.reservation import in_flight_bytes, reserve, reserve_proven
from edgeseg_runtime.board.pieces.proofs import Proof, as_proven
from edgeseg_runtime.board.pieces.steps import steps_of
from edgeseg_runtime.messaging.assignments import (
    assignment_for,
    contradiction,
    trial_assignment,
)
from edgeseg_runtime.messaging.wire import Peer

_BOARDS = {"a": Peer("tcp://127.0.0.1:7000")}


def _lane(manifest: Manifest, window: int, cuts: list[int]) -> Lane:
    names = tuple(piece.name for piece in manifest.pieces)
    edges = [0, *sorted(cuts), len(names)]
    shifts = [names[start:end] for start, end in itertools.pairwise(edges)]
    return Lane(dict.fromkeys(names, "a"), window, tuple(filter(None, shifts)) if cuts else ())


_EIGHT_BITS = Preprocessing((0.0, 255.0), (8, 8))
_SIXTEEN_BITS = msgspec.structs.replace(_EIGHT_BITS, level_bits=16)
_STACK = msgspec.structs.replace(_SIXTEEN_BITS, channels=3, slices=3)
_PREPROCESSINGS = st.sampled_from([_EIGHT_BITS, _SIXTEEN_BITS, _STACK])


@st.composite
def _manifests(draw: st.DrawFn) -> Manifest:
    """Manifests whose image travels in 8 bits, in 16, or with its neighbours."""
    how = draw(_PREPROCESSINGS)
    image = Port(IMAGE.tensor, (1, 8, 8, how.channels))
    manifest = draw(manifests())
    pieces = tuple(
        msgspec.structs.replace(
            piece, inputs=tuple(image if port == IMAGE else port for port in piece.inputs)
        )
        for piece in manifest.pieces
    )
    return msgspec.structs.replace(manifest, pieces=pieces, preprocessing=how)


@given(
    _manifests(),
    st.integers(1, 5),
    st.lists(st.integers(1, 5), unique=True, max_size=3),
    st.integers(1, 4),
    st.integers(0, 5000),
)
def test_pieces_slices_and_conversions_are_entered_or_refused(
    manifest: Manifest, window: int, cuts: list[int], cores: int, limit: int
) -> None:
    cuts = [cut for cut in cuts if cut < len(manifest.pieces)]
    lane = _lane(manifest, window, cuts)
    assignment = assignment_for("a", manifest, Placement((lane,), {}), 1, _BOARDS)
    assert contradiction(assignment) is None
    assert assignment.spool_bytes == window * waiting_bytes(manifest, lane.shifts)
    pieces = {piece.name: piece for piece in manifest.pieces}
    if lane.shifts:
        groups = [[pieces[name] for name in shift] for shift in lane.shifts]
        assert [list(step.pieces) for step in steps_of(assignment).values()] == groups
        waiting = window * manifest.preprocessing.image_bytes
        needed_bytes = max(peak_board_bytes(g, waiting + peak_tensor_bytes(g)) for g in groups)
    else:
        groups = [list(manifest.pieces)]
        needed_bytes = peak_board_bytes(
            groups[0], window * slice_bytes(manifest, frozenset(pieces))
        )
    image, mask = manifest.input.tensor, manifest.output.tensor
    sources, how = sources_of(manifest.pieces), manifest.preprocessing
    needed_bytes += how.kept_bytes
    needed_bytes += cores * working_bytes(manifest.pieces, sources, image, mask, how.image_bytes)
    ledger = Ledger(limit * KIB, 0)
    try:
        copies = reserve(assignment, ledger, cores)
    except BoardError:
        assert needed_bytes > ledger.limit
        assert ledger.held <= ledger.limit
        return
    assert needed_bytes <= ledger.held <= ledger.limit
    assert 1 <= copies <= cores
    copy_bytes = max(peak_board_bytes(g, peak_tensor_bytes(g) if cuts else 0) for g in groups)
    assert copies == cores or copy_bytes > ledger.free
    assert ledger.held == needed_bytes + (copies - 1) * copy_bytes


@given(_manifests(), st.data(), st.integers(1, 4), st.booleans())
def test_what_is_planned_is_what_is_entered(
    manifest: Manifest, data: st.DataObject, window: int, sealed: bool
) -> None:
    """However the pieces are spread: a board never refuses what the plan says it has room for."""
    names = ("a", "b", "c")
    boards = {p.name: data.draw(st.sampled_from(names)) for p in manifest.pieces}
    entries = {n: Peer("tcp://127.0.0.1:7000", n * 40 if sealed else None) for n in names}
    placement = Placement((Lane(boards, window),), {})
    how = manifest.preprocessing
    ample = [Board(name, 2**40) for name in names]
    problem = problem_of(manifest.pieces, ample, preprocessing=how)
    row = [[names.index(boards[piece.name]) for piece in manifest.pieces]]
    planned = loads_of(replace(problem, sealed=sealed), np.array(row)).memory(window)[0]
    for number, name in enumerate(names):
        if name in placement.members:
            ledger = Ledger(2**40, 0)
            assert reserve(assignment_for(name, manifest, placement, 1, entries), ledger, 1) == 1
            assert ledger.held <= planned[number]
            assert planned[number] - ledger.held <= problem.working_bytes


@given(
    manifests(), st.integers(1, 5), st.lists(st.integers(1, 5), unique=True, max_size=3), st.data()
)
def test_what_slices_take_is_counted_here_as_the_coordinator_counts(
    manifest: Manifest, window: int, cuts: list[int], data: st.DataObject
) -> None:
    """So that no figure of a coordinator is believed, and no honest one is contradicted."""
    cuts = [cut for cut in cuts if cut < len(manifest.pieces)]
    honest = assignment_for(
        "a", manifest, Placement((_lane(manifest, window, cuts),), {}), 1, _BOARDS
    )
    assert in_flight_bytes(msgspec.structs.replace(honest, reserved_bytes=0)) == in_flight_bytes(
        honest
    )
    assert in_flight_bytes(honest) == honest.reserved_bytes
    claimed = data.draw(st.integers(0, 2**40))
    raised = msgspec.structs.replace(honest, reserved_bytes=claimed)
    assert in_flight_bytes(raised) == max(claimed, honest.reserved_bytes)
    trial = trial_assignment(manifest, manifest.pieces, 1)
    assert in_flight_bytes(msgspec.structs.replace(trial, reserved_bytes=0)) == trial.reserved_bytes


def test_a_tensor_that_comes_in_as_floats_is_counted_as_floats() -> None:
    """Where a piece reads int8 the floats are held until it runs."""
    ports = [Port("image", (1, 8, 8, 1)), Port("t0", (1, 8, 8, 4)), Port("t1", (1, 8, 8, 1))]
    narrow = msgspec.structs.replace(ports[1], dtype="int8", scale=1.0, zero_point=0)
    pieces = [make_piece(0, ports[:1], ports[1:2]), make_piece(1, [narrow], ports[2:])]
    lane = Lane({"piece_00": "b", "piece_01": "a"}, 1)
    boards = {name: Peer("tcp://127.0.0.1:9") for name in "ab"}
    order = assignment_for("a", make_manifest(pieces), Placement((lane,), {}), 1, boards)
    assert in_flight_bytes(order) == ports[1].nbytes + ports[2].nbytes


@given(manifests(), st.integers(1, 4), st.integers(0, 3000), st.data())
def test_what_pieces_took_when_they_were_tried_is_entered_or_refused(
    manifest: Manifest, cores: int, limit: int, data: st.DataObject
) -> None:
    order = assignment_for("a", manifest, Placement((_lane(manifest, 1, []),), {}), 1, _BOARDS)
    ledger = Ledger(limit * KIB, 0)
    took = st.integers(0, 2000).map(lambda kib: kib * KIB)
    proofs = {}
    for piece in manifest.pieces:
        resident, peak = sorted((data.draw(took), data.draw(took)))
        proofs[piece.sha256] = Proof(peak, resident, (), ())
    try:
        copies = reserve(order, ledger, cores)
        before = ledger.held
        reserve_proven(order, proofs, ledger, copies)
    except BoardError:
        return
    pieces = [as_proven(piece, proofs) for piece in manifest.pieces]
    needed = peak_board_bytes(pieces, order.reserved_bytes)
    assert ledger.held >= max(before, needed + (copies - 1) * peak_board_bytes(pieces, 0))
    assert all(p.peak_memory_bytes >= proofs[p.sha256].peak_memory_bytes for p in pieces)
