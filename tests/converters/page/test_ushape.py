"""A network is drawn as a U: blocks by piece and resolution, skips, cuts with their bytes."""

from itertools import pairwise

from edgeseg_converters.page.ushape import u_shape
from edgeseg_converters.reports.conversion import ConversionReport, LayerReport, PieceReport
from edgeseg_converters.tflite.check import Check

_SIZES = {"a": 16, "b": 16, "down": 8, "c": 8, "up": 16, "join": 16}
_READS = {"a": "image", "b": "a", "down": "b", "c": "down", "up": "c", "join": "up b"}
_PIECE = {"a": 0, "b": 0, "down": 1, "c": 1, "up": 1, "join": 2}
_CROSSING = {"b": 100, "up": 30}


def _report() -> ConversionReport:
    layers = tuple(
        LayerReport(
            name,
            "Conv2D",
            f"piece_{_PIECE[name]:02d}",
            tuple(_READS[name].split()),
            (1, size, size, 4),
            _CROSSING.get(name, 0),
        )
        for name, size in _SIZES.items()
    )
    pieces = tuple(
        PieceReport(f"piece_{n:02d}", (), (), "float32", *[0] * 7, 0.0, 0.0, 0.0, 0, None, None)
        for n in range(3)
    )
    check = Check(0.0, 1, identical=True, mask_agreement=1.0)
    return ConversionReport(pieces, 130, check, 1, "u", {}, {}, (), layers=layers)


def test_neighbours_of_one_piece_and_resolution_are_one_block() -> None:
    drawn = u_shape(_report())
    assert [(b.piece, b.level, len(b.layers)) for b in drawn.blocks] == [
        (0, 0.0, 2),
        (1, 1.0, 2),
        (1, 0.0, 1),
        (2, 0.0, 1),
    ]
    ends = [(b.x, b.x + b.width) for b in drawn.blocks]
    assert all(one[1] < other[0] for one, other in pairwise(ends))
    assert ends[-1][1] < drawn.width
    assert drawn.blocks[1].y > drawn.blocks[0].y
    assert drawn.blocks[0].says == "a to b: 16 x 16 x 4"


def test_a_cut_counts_what_is_alive_there_skips_included() -> None:
    first, second = u_shape(_report()).cuts
    assert (first.crossing_bytes, second.crossing_bytes) == (100, 130)


def test_a_tensor_is_drawn_once_to_each_block_that_reads_it() -> None:
    flows = u_shape(_report()).flows
    assert sorted((flow.says, flow.crosses) for flow in flows) == [
        ("b", True),
        ("b", True),
        ("c", False),
        ("up", True),
    ]
    skip = next(flow for flow in flows if flow.path.startswith("M") and "C" in flow.path)
    assert skip.says == "b"


def test_pieces_are_named_over_their_blocks() -> None:
    drawn = u_shape(_report())
    assert [span.name for span in drawn.spans] == ["00", "01", "02"]
    assert drawn.labelled
