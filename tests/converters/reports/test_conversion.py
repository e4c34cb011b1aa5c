"""The report tells what became of each piece, and its table fits 80 columns."""

from dataclasses import replace
from io import StringIO

import msgspec
import pytest
from manifests import IMAGE, chain_manifest
from rich.console import Console

from edgeseg.bundle.manifest import Manifest, Port
from edgeseg.inference.measure import Measurement
from edgeseg.network.graph import Graph, Layer, Tensor, WeightSpec
from edgeseg_converters.partition import Alternative
from edgeseg_converters.precision.assign import Chosen
from edgeseg_converters.reports.conversion import ConversionReport, History, make_report
from edgeseg_converters.reports.conversion_tables import strategies_table, summary_table
from edgeseg_converters.tflite.check import Check

EXACT = Check(0.0, 4, identical=True, mask_agreement=1.0)
ROUGH = Check(0.01, 4, identical=False, mask_agreement=0.999)
MEASURED = (Measurement(2**20, 2**20, 12.0, 3.04), Measurement(2**21, 2**20, 5.0, 1.0))
NOT_MEASURED = (None, None)
UNCHANGED = Chosen((), (), ("none", "none"), (None, None))


def manifest_of(parameters: tuple[int, int] = (10, 20), zeros: float = 0.0) -> Manifest:
    manifest = chain_manifest([1000, 3000])
    pieces = tuple(
        msgspec.structs.replace(piece, parameters=count, sparsity=zeros)
        for piece, count in zip(manifest.pieces, parameters, strict=True)
    )
    return msgspec.structs.replace(manifest, pieces=pieces)


def graph_of(parameters: tuple[int, int] = (10, 20)) -> Graph:
    """Two 1x1 convolutions of 8x8 pixels, named as the pieces' layers are."""
    layers = tuple(
        Layer(
            f"layer_{index}",
            "Conv2D",
            ("image" if index == 0 else f"layer_{index - 1}",),
            Tensor(f"layer_{index}", (1, 8, 8, 4)),
            weights=(WeightSpec("kernel", (1, 1, 1, count)),),
        )
        for index, count in enumerate(parameters)
    )
    return Graph("random", (Tensor("image", (1, 8, 8, 1)),), ("layer_1",), layers)


def text_of(report: ConversionReport) -> str:
    console = Console(width=80, file=StringIO())
    with console.capture() as capture:
        console.print(summary_table(report))
    return capture.get()


def test_pieces_are_reported_before_and_after() -> None:
    chosen = Chosen((), (), ("int8", "none"), (0.004, 0.031), ("piece_01 is kept in float32",))
    history = History(graph_of((40, 80)), graph_of(), chosen, (0.01, 0.02), MEASURED, ("a note",))
    report = make_report(manifest_of(), ROUGH, 1234, history)
    one, other = report.pieces
    assert (one.precision, other.precision) == ("int8", "float32")
    assert (one.parameters, one.parameters_before) == (10, 40)
    assert (one.flops, one.flops_before) == (1000, 2 * 64 * 40)
    assert (other.flops, other.flops_before) == (3000, 2 * 64 * 80)
    assert (one.first_ms, one.steady_ms, one.peak_memory_bytes) == (12.0, 3.04, 2**20)
    assert (one.dice_loss, other.dice_loss) == (0.01, 0.02)
    assert (one.quantization_dice_loss, other.quantization_dice_loss) == (0.004, 0.031)
    assert report.notes == ("a note", "piece_01 is kept in float32")
    assert msgspec.json.decode(msgspec.json.encode(report), type=ConversionReport) == report


def test_layers_name_their_piece_and_what_of_them_crosses() -> None:
    graph = graph_of()
    cut = tuple(graph.subgraph(f"piece_{n:02d}", (f"layer_{n}",)) for n in range(2))
    ports = (Port("layer_0", (1, 8, 8, 4)), Port("layer_1", (1, 8, 8, 1)))
    pieces = tuple(
        msgspec.structs.replace(piece, inputs=(reads,), outputs=(makes,))
        for piece, reads, makes in zip(manifest_of().pieces, (IMAGE, ports[0]), ports, strict=True)
    )
    manifest = msgspec.structs.replace(manifest_of(), pieces=pieces)
    report = make_report(
        manifest, EXACT, 1, History(graph, graph, UNCHANGED, NOT_MEASURED, MEASURED, cut=cut)
    )
    assert [(one.name, one.piece, one.crossing_bytes) for one in report.layers] == [
        ("layer_0", "piece_00", 1024),
        ("layer_1", "piece_01", 0),
    ]
    assert report.layers[1].inputs == ("layer_0",)


def test_layers_that_compression_added_had_no_cost_before() -> None:
    renamed = replace(graph_of(), layers=graph_of().layers[:1], outputs=("layer_0",))
    report = make_report(
        manifest_of(), EXACT, 1, History(renamed, graph_of(), UNCHANGED, NOT_MEASURED, MEASURED)
    )
    assert [piece.parameters_before for piece in report.pieces] == [10, 0]


def test_divided_layers_shrank_as_the_whole_network_did() -> None:
    """Half of the network is left, and the pieces hold layers that a strategy made of it."""
    pieces = tuple(
        msgspec.structs.replace(piece, layers=tuple(f"{name}.rows0" for name in piece.layers))
        for piece in manifest_of().pieces
    )
    divided = msgspec.structs.replace(manifest_of(), pieces=pieces)
    history = History(graph_of((20, 40)), graph_of((10, 20)), UNCHANGED, NOT_MEASURED, MEASURED)
    report = make_report(divided, EXACT, 1, history)
    assert [piece.parameters_before for piece in report.pieces] == [20, 40]
    assert [piece.flops_before for piece in report.pieces] == [2000, 6000]


def test_strategies_fit_100_columns_with_the_kept_one_marked() -> None:
    kept = Alternative(
        strategy="optimal",
        chosen=True,
        placement="contiguous",
        pieces=15,
        slices_per_second=0.00123,
        latency_seconds=1234.5,
        largest_memory_bytes=999 * 2**20,
        crossing_bytes=999 * 2**20,
    )
    none = Alternative(strategy="channel", reason="no two convolutions")
    history = History(
        graph_of(), graph_of(), UNCHANGED, NOT_MEASURED, MEASURED, strategies=(none, kept)
    )
    report = make_report(manifest_of(), EXACT, 1, history)
    assert msgspec.json.decode(msgspec.json.encode(report), type=ConversionReport).strategies == (
        none,
        kept,
    )
    console = Console(width=100, file=StringIO())
    with console.capture() as capture:
        console.print(strategies_table(report))
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 100
    for cell in ("channel", "not at all", "optimal (kept)", "contiguous", "0.00123", "999 MiB"):
        assert cell in text


def test_table_of_an_exact_bundle_has_no_idle_columns() -> None:
    text = text_of(
        make_report(
            manifest_of(),
            EXACT,
            1234,
            History(graph_of(), graph_of(), UNCHANGED, NOT_MEASURED, MEASURED),
        )
    )
    for heading in ("params", "FLOPs", "crossing", "ms", "peak"):
        assert heading in text
    for heading in ("type", "zeros", "-Dice", "→"):
        assert heading not in text
    assert "bit-identical" in text
    assert "4.0" in text.split("all", 1)[1]


@pytest.mark.parametrize("losses", [(0.004, 0.031), (None, None)])
def test_widest_table_fits_80_columns(losses: tuple[float | None, float | None]) -> None:
    manifest = manifest_of((11_100_000, 22_200_000), 0.987)
    wide = tuple(
        msgspec.structs.replace(
            piece, name=f"piece_{index}", bytes=999 * 2**20, compressed_bytes=999 * 2**10
        )
        for index, piece in enumerate(manifest.pieces, start=10)
    )
    manifest = msgspec.structs.replace(manifest, pieces=wide)
    chosen = Chosen((), (), ("dynamic", "none"), losses)
    slow = Measurement(1023 * 2**10, 2**20, 1e4, 9999.9)
    history = History(graph_of((33_300_000, 44_400_000)), graph_of(), chosen, losses, (slow, slow))
    text = text_of(make_report(manifest, ROUGH, 10**8, history))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    for cell in ("33.3 M→11.1 M", "dynamic", "float32", "mixed", "98.7%", "9999.9", "999 MiB"):
        assert cell in text
    assert ("0.0310" in text) == (losses[1] is not None)
    assert ("crossing" in text) == (losses[1] is None)
