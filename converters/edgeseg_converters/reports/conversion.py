"""The report of a conversion, for programs; :mod:`.conversion_tables` lays it out for people."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from edgeseg.bundle.manifest import Manifest, Piece
from edgeseg.bundle.meaning import describe_decoding
from edgeseg.imaging.levels import describe_input
from edgeseg.inference.measure import Measurement
from edgeseg.network.graph import Graph
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg_converters.layers.cost import LayerCost, graph_cost, layer_cost
from edgeseg_converters.partition import Alternative, Partition
from edgeseg_converters.precision.assign import Chosen
from edgeseg_converters.tflite.check import Check


class PieceReport(msgspec.Struct, frozen=True):
    """Figures of one piece.

    Attributes
    ----------
    precision
        What it computes in: ``float32``, ``float16``, ``dynamic`` or ``int8``.
    parameters, flops
        Of its layers as they are, and ``_before`` the compression.
    bytes, compressed_bytes
        Size of the file, and in the bundle.
    crossing_bytes
        Size of those of its tensors that other pieces read.
    sparsity
        Share of zeros among its kernel weights.
    first_ms, steady_ms
        Loading and the first run, and a later run, in a fresh process with one thread.
    peak_memory_bytes
        How much that process grows.
    dice_loss
        Dice that compressing this piece alone costs, against the masks of the uncompressed
        network on calibration slices; None where it was not measured.
    quantization_dice_loss
        The share of its precision: against all compressed pieces in float32.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    precision: str
    parameters: int
    parameters_before: int
    flops: int
    flops_before: int
    bytes: int
    compressed_bytes: int
    crossing_bytes: int
    sparsity: float
    first_ms: float
    steady_ms: float
    peak_memory_bytes: int
    dice_loss: float | None
    quantization_dice_loss: float | None


class LayerReport(msgspec.Struct, frozen=True):
    """One layer: its piece, what it reads, and the tensor that it makes.

    Attributes
    ----------
    crossing_bytes
        Size of that tensor where another piece reads it, else 0.
    """

    name: str
    kind: str
    piece: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    crossing_bytes: int


class ConversionReport(msgspec.Struct, frozen=True):
    """Figures of a conversion; ``crossing_bytes`` counts each tensor between pieces once.

    ``strategies`` are those that ``auto`` tried; ``input`` says what the model reads of a slice,
    ``meaning`` how the output becomes a mask.
    """

    pieces: tuple[PieceReport, ...]
    crossing_bytes: int
    check: Check
    bundle_bytes: int
    model: str
    settings: dict[str, str | int | float | bool | None]
    versions: dict[str, str]
    notes: tuple[str, ...]
    strategies: tuple[Alternative, ...] = ()
    layers: tuple[LayerReport, ...] = ()
    meaning: str = ""
    input: str = ""
    research_note: str = RESEARCH_NOTE


@dataclass(frozen=True)
class History:
    """How a bundle was compiled: what its manifest does not keep.

    Attributes
    ----------
    before
        The network before it was compressed.
    uncut
        The network after that, before a strategy divided layers of it.
    chosen
        The precision of each piece, and why.
    losses
        Dice that compressing each piece alone costs, None where it was not measured.
    measurements
        Memory and time of each piece.
    notes
        What the user should know besides, a line each.
    strategies
        Those that ``auto`` tried.
    cut
        The pieces before they were compiled.
    """

    before: Graph
    uncut: Graph
    chosen: Chosen
    losses: tuple[float | None, ...]
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...] = ()
    strategies: tuple[Alternative, ...] = ()
    cut: Partition = ()


def make_report(
    manifest: Manifest, check: Check, bundle_bytes: int, history: History
) -> ConversionReport:
    """Gather the figures of a finished bundle."""
    pieces = tuple(_piece_reports(manifest, history))
    return ConversionReport(
        pieces=pieces,
        crossing_bytes=sum(piece.crossing_bytes for piece in pieces),
        check=check,
        bundle_bytes=bundle_bytes,
        model=manifest.model_name,
        settings=manifest.settings,
        versions=manifest.versions,
        notes=(*history.notes, *history.chosen.notes),
        strategies=history.strategies,
        layers=tuple(_layer_reports(manifest, history.cut)),
        meaning=describe_decoding(manifest.decoding, manifest.labels),
        input=describe_input(manifest.preprocessing),
    )


def _layer_reports(manifest: Manifest, cut: Partition) -> Iterator[LayerReport]:
    """Yield the layers piece by piece, in an order in which they can run."""
    read = {port.tensor for piece in manifest.pieces for port in piece.inputs}
    size_of = {port.tensor: port.nbytes for piece in manifest.pieces for port in piece.outputs}
    for piece, graph in zip(manifest.pieces, cut, strict=False):
        for layer in graph.layers:
            size = size_of.get(layer.name, 0) if layer.name in read else 0
            yield LayerReport(
                layer.name, layer.kind, piece.name, layer.inputs, layer.output.shape, size
            )


def _piece_reports(manifest: Manifest, history: History) -> Iterator[PieceReport]:
    read = {port.tensor for piece in manifest.pieces for port in piece.inputs}
    chosen = history.chosen
    layers = {name for piece in manifest.pieces for name in piece.layers}
    divided = layers != history.uncut.position.keys()
    for piece, measured, precision, loss, quantized in zip(
        manifest.pieces,
        history.measurements,
        chosen.precisions,
        history.losses,
        chosen.losses,
        strict=True,
    ):
        before = _cost_before(piece, history, divided=divided)
        yield PieceReport(
            name=piece.name,
            inputs=tuple(port.tensor for port in piece.inputs),
            outputs=tuple(port.tensor for port in piece.outputs),
            precision="float32" if precision == "none" else precision,
            parameters=piece.parameters,
            parameters_before=before.parameters,
            flops=piece.flops,
            flops_before=before.flops,
            bytes=piece.bytes,
            compressed_bytes=piece.compressed_bytes,
            crossing_bytes=sum(port.nbytes for port in piece.outputs if port.tensor in read),
            sparsity=piece.sparsity,
            first_ms=measured.first_ms,
            steady_ms=measured.steady_ms,
            peak_memory_bytes=measured.peak_memory_bytes,
            dice_loss=loss,
            quantization_dice_loss=quantized,
        )


def _cost_before(piece: Piece, history: History, *, divided: bool) -> LayerCost:
    """Return what the layers of a piece cost before the compression.

    Where a strategy divided layers, a piece has shrunk as much as the whole network has.
    """
    before, after = history.before, history.uncut
    if not divided:
        layers = (before.layer(name) for name in piece.layers if name in before.position)
        return sum((layer_cost(before, layer) for layer in layers), LayerCost())
    cost_before, cost_after = graph_cost(before), graph_cost(after)
    return LayerCost(
        parameters=round(piece.parameters * cost_before.parameters / max(cost_after.parameters, 1)),
        flops=round(piece.flops * cost_before.flops / max(cost_after.flops, 1)),
    )
