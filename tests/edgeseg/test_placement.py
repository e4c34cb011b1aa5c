"""Bytes that pieces and slices take on a board."""

from hypothesis import given
from hypothesis import strategies as st
from manifests import chain_manifest, manifests

from edgeseg.manifest import Manifest
from edgeseg.placement import pieces_and_slices, slice_bytes


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
    need = pieces_and_slices(manifest.pieces, in_flight)
    assert max(*peaks, resident + in_flight) <= need <= sum(peaks) + in_flight
