"""How many transfers from board to board are ahead of a piece."""

from hypothesis import given
from hypothesis import strategies as st
from manifests import manifests

from edgeseg.boards.placement import Lane, handovers_of
from edgeseg.bundle.manifest import Manifest, Piece


@given(manifests(), st.data())
def test_handovers_ahead_are_those_of_the_longest_way_to_the_mask(
    manifest: Manifest, data: st.DataObject
) -> None:
    names = [piece.name for piece in manifest.pieces]
    boards = {name: data.draw(st.sampled_from("abc")) for name in names}

    def ahead(piece: Piece) -> int:
        outputs = {port.tensor for port in piece.outputs}
        after = [
            reader
            for reader in manifest.pieces
            if outputs & {port.tensor for port in reader.inputs}
        ]
        return max((ahead(p) + (boards[p.name] != boards[piece.name]) for p in after), default=0)

    assert handovers_of(manifest, Lane(boards, 1)) == {
        piece.name: ahead(piece) for piece in manifest.pieces
    }
