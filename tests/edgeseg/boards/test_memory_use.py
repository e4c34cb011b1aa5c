"""Bytes that pieces and slices take on a board."""

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from manifests import IMAGE, chain_manifest, make_manifest, make_piece, manifests

from edgeseg.boards.memory_use import (
    coding_bytes,
    peak_board_bytes,
    peak_tensor_bytes,
    slice_bytes,
    waiting_bytes,
    working_bytes,
)
from edgeseg.bundle.manifest import Manifest, Port
from edgeseg.codecs.table import most_bytes
from edgeseg.codecs.table import working_bytes as codec_bytes
from edgeseg.planning.problem.from_pieces import sources_of

_INT8 = {"dtype": "int8", "scale": 0.5, "zero_point": 0}


def test_a_slice_takes_every_tensor_once() -> None:
    manifest = chain_manifest([1, 1, 1], channels=2)
    assert slice_bytes(manifest, frozenset({"piece_00"})) == 4 * 64 * (1 + 2)
    assert slice_bytes(manifest, frozenset({"piece_00", "piece_01"})) == 4 * 64 * (1 + 2 + 2)
    assert slice_bytes(manifest, frozenset()) == 0


@given(manifests(), st.integers(0, 10**6))
def test_loading_and_slices_share_their_room(manifest: Manifest, in_flight: int) -> None:
    """Never less than what stays and what comes on top, never more than all peaks together."""
    peaks = [piece.peak_memory_bytes for piece in manifest.pieces]
    resident = sum(piece.resident_memory_bytes for piece in manifest.pieces)
    need = peak_board_bytes(manifest.pieces, in_flight)
    assert max(*peaks, resident + in_flight) <= need <= sum(peaks) + in_flight


def test_a_tensor_that_is_read_in_another_type_counts_as_the_larger() -> None:
    made, last = Port("t", (1, 8, 8, 4)), Port("end", (1, 8, 8, 1))
    read = msgspec.structs.replace(made, **_INT8)
    manifest = make_manifest([make_piece(0, [IMAGE], [made]), make_piece(1, [read], [last])])
    everything = frozenset({"piece_00", "piece_01"})
    assert slice_bytes(manifest, everything) == 4 * 64 * (1 + 4 + 1)


@given(manifests())
def test_never_more_is_alive_than_there_is_and_never_less_than_one_piece_takes(
    manifest: Manifest,
) -> None:
    everything = frozenset(piece.name for piece in manifest.pieces)
    each = [slice_bytes(manifest, frozenset({piece.name})) for piece in manifest.pieces]
    assert max(each) <= peak_tensor_bytes(manifest.pieces) <= slice_bytes(manifest, everything)
    assert [peak_tensor_bytes([piece]) for piece in manifest.pieces] == each


def test_a_tensor_is_alive_until_its_last_reader() -> None:
    manifest = chain_manifest([1, 1, 1, 1], channels=2)
    assert peak_tensor_bytes(manifest.pieces) == 4 * 64 * (2 + 2)
    skip, deep, end = Port("s", (1, 8, 8, 5)), Port("d", (1, 8, 8, 2)), Port("e", (1, 8, 8, 1))
    pieces = [
        make_piece(0, [IMAGE], [skip]),
        make_piece(1, [skip], [deep]),
        make_piece(2, [skip, deep], [end]),
    ]
    assert peak_tensor_bytes(pieces) == 4 * 64 * (5 + 2 + 1)


@given(manifests(), st.data())
def test_what_waits_between_shifts_is_what_crosses_their_cuts(
    manifest: Manifest, data: st.DataObject
) -> None:
    names = [piece.name for piece in manifest.pieces]
    cuts = data.draw(st.lists(st.integers(1, len(names)), unique=True).map(sorted))
    edges = [0, *(cut for cut in cuts if cut < len(names)), len(names)]
    shifts = [names[start:end] for start, end in itertools.pairwise(edges)]
    crossing = [
        sum(
            port.nbytes
            for piece in manifest.pieces[:cut]
            for port in piece.outputs
            if any(port.tensor == q.tensor for later in manifest.pieces[cut:] for q in later.inputs)
        )
        for cut in edges[1:-1]
    ]
    assert waiting_bytes(manifest, shifts) == max(crossing, default=0)


def test_a_core_takes_room_for_what_it_converts() -> None:
    """Nothing for tensors that are read as they are made, but for the image and the mask."""
    manifest = chain_manifest([1, 1, 1], channels=2)
    first, middle, last = manifest.pieces
    sources = sources_of(manifest.pieces)
    image, mask = manifest.input.tensor, manifest.output.tensor
    assert working_bytes([first], sources, image, mask) == 64
    assert working_bytes([middle], sources, image, mask) == 0
    assert working_bytes([last], sources, image, mask) == 64 * (2 + 12)
    read = msgspec.structs.replace(middle.inputs[0], **_INT8)
    quantized = msgspec.structs.replace(middle, inputs=(read,))
    assert working_bytes([quantized], sources, image, mask) == 128 * (1 + 8)


def test_a_core_takes_room_for_the_payload_of_the_largest_encoded_tensor() -> None:
    """And for all that wait encoded for another piece while one of them is decoded."""
    small, large = Port("small", (1, 8, 8, 2)), Port("large", (1, 8, 8, 4))
    first = make_piece(0, [IMAGE], [small, large], 1, 1)
    second = make_piece(1, [large], [Port("t", (1, 8, 8, 1))], 1, 1)
    third = make_piece(2, [small, large], [Port("u", (1, 8, 8, 1))], 1, 1)
    codec = codec_bytes("int8", large.nbytes)
    assert coding_bytes([first], {}) == coding_bytes([second], {"small": "int8"}) == 0
    both = {"small": "int8", "large": "int8"}
    assert coding_bytes([first], both) == most_bytes(large.nbytes) + codec
    assert coding_bytes([third], both) == most_bytes(large.nbytes) + codec
    waiting = most_bytes(large.nbytes) + most_bytes(small.nbytes)
    assert coding_bytes([second, third], both) == waiting + codec
