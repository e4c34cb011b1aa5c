"""Dice that the whole compression of each piece costs: filters, weights and precision together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgeseg.bundle.manifest import Decoding
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.calibration import evenly_spaced
from edgeseg_converters.compress.compress import Compressed
from edgeseg_converters.network import Network
from edgeseg_converters.partition import Cut
from edgeseg_converters.precision.assign import SENSITIVITY_SLICES, Chosen
from edgeseg_converters.precision.sensitivity import dice_losses
from edgeseg_converters.tflite.export import Compiled, compile_graph


@dataclass(frozen=True)
class PieceLosses:
    """Dice that compressing each piece alone costs, None where it can't be said.

    ``notes`` says why it can't, a line each.
    """

    losses: tuple[float | None, ...]
    notes: tuple[str, ...] = ()


def measure_losses(  # noqa: PLR0913, PLR0917 - a network before and after
    original: Network,
    compressed: Compressed,
    cut: Cut,
    chosen: Chosen,
    images: Sequence[ModelInput],
    decoding: Decoding,
    advance: Callable[..., None],
) -> PieceLosses:
    """Measure each piece as it goes into the bundle among those of the uncompressed network.

    Parameters
    ----------
    original
        The network before compression.
    compressed, cut, chosen
        What became of it.
    images
        Slices to measure on, (1, H, W, C) each; their masks by the uncompressed network are the
        truth. Without any nothing is measured.
    advance
        Called once a piece.
    """
    unknown = (None,) * len(cut.pieces)
    changed = compressed.network is not original
    if not images or not (changed or set(chosen.precisions) != {"none"}):
        advance(len(cut.pieces))
        return PieceLosses(unknown)
    if not changed and None not in chosen.losses:
        advance(len(cut.pieces))
        return PieceLosses(tuple(_kept(chosen)))
    whole = _whole_pieces(original, cut) if changed else chosen.exact
    if whole is None:
        advance(len(cut.pieces))
        note = "what compression costs each piece is not known: the strategy divides its layers"
        return PieceLosses(unknown, (note,))
    losses, slices = [], evenly_spaced(images, SENSITIVITY_SLICES)
    for loss in dice_losses(whole, chosen.compiled, slices, decoding, compressed.left):
        losses.append(loss)
        advance(note="measuring what compression costs")
    return PieceLosses(tuple(losses))


def _kept(chosen: Chosen) -> Iterator[float | None]:
    """Yield what was measured when precisions were chosen; a piece in float32 costs nothing."""
    for precision, loss in zip(chosen.precisions, chosen.losses, strict=True):
        yield 0.0 if precision == "none" else loss


def _whole_pieces(original: Network, cut: Cut) -> tuple[Compiled, ...] | None:
    """Compile the same pieces of the uncompressed network, None where it lacks their layers."""
    graph = original.graph
    members = [[layer.name for layer in piece.layers] for piece in cut.pieces]
    if {name for names in members for name in names} != graph.position.keys():
        return None
    return tuple(
        compile_graph(graph.subgraph(piece.name, names), original.weights)
        for piece, names in zip(cut.pieces, members, strict=True)
    )
