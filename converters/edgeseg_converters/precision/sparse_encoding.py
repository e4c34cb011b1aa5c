"""Takes TFLite's sparse encoding where it makes a file smaller, and measures its memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgeseg.inference.measure import measure_piece
from edgeseg.text.units import format_bytes
from edgeseg_converters.tflite.export import Compiled


@dataclass(frozen=True)
class Encoding:
    """Pieces, sparse where that pays, and a line on what was gained and what it costs."""

    pieces: tuple[Compiled, ...]
    note: str


def where_smaller(dense: Sequence[Compiled], sparse: Sequence[Compiled]) -> Encoding:
    """Take the sparse version of each piece whose file it makes smaller.

    Below half of zeros it does not: indices take room too.

    Parameters
    ----------
    dense, sparse
        The same pieces without and with sparse encoding.
    """
    pairs = list(zip(dense, sparse, strict=True))
    pieces = tuple(min(pair, key=lambda piece: len(piece.model)) for pair in pairs)
    gained = [pair for pair in pairs if len(pair[1].model) < len(pair[0].model)]
    if not gained:
        return Encoding(pieces, "sparse encoding: no piece has enough zeros, all stay dense")
    before, after = (sum(len(pair[side].model) for pair in gained) for side in (0, 1))
    more = sum(_peak(pair[1]) - _peak(pair[0]) for pair in gained)
    return Encoding(
        pieces,
        f"sparse encoding: {len(gained)} of {len(pairs)} pieces take {format_bytes(after)} "
        f"unpacked instead of {format_bytes(before)}, and need {format_bytes(max(0, more))} more "
        "memory: weights are made dense again when loaded",
    )


def _peak(piece: Compiled) -> int:
    return measure_piece(piece.model).peak_memory_bytes
