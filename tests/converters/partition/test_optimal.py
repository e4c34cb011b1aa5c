"""Optimal cuts: as good as enumeration, never worse than other cuts, and whole in order."""

import itertools
from functools import cache

import numpy as np
import pytest
import zoo
from chains import assert_chained
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.boards.boards_file import WORKER_BASE, BoardEntry, BoardsFile
from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import BudgetError, PlacementError
from edgeseg.network.graph import Graph
from edgeseg.planning.heuristics.contiguous import contiguous_assignment
from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.outcome.objective import INFEASIBLE, costs
from edgeseg_converters.compress.calibration import noise_images
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.output_meaning import decoding
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition import METRICS, Cut, PartitionRequest, strategies
from edgeseg_converters.partition.estimate import Sketch, estimate, forecast
from edgeseg_converters.partition.optimal import finest
from edgeseg_converters.partition.request import pieces_of
from edgeseg_converters.tflite.check import compare
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

FAMILIES = ["nested", "plain", "separable", "u_net_plus_plus"]
SIZE, BASE = 64, 32
"""Large enough that a cut saves memory."""


@cache
def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](import_keras(), SIZE, BASE))


def need(graph: Graph) -> int:
    """Bytes to run a graph alone on a board, the worker's own aside."""
    sketch = Sketch(graph)
    tensors = sum(port.nbytes for port in (*sketch.inputs, *sketch.outputs))
    return max(sketch.peak_memory_bytes, sketch.resident_memory_bytes + tensors)


def boards(
    graph: Graph, *room: float, speeds: tuple[float, ...] = (1.0,), up: str = "100Mbit"
) -> BoardsFile:
    """Boards that hold the largest group of layers at 0, the whole network at 1."""
    low = max(need(graph.subgraph("group", group)) for group in fused_groups(graph))
    high = max(low, need(graph))
    own = WORKER_BASE + estimate((graph,), PartitionRequest()).working_bytes
    return BoardsFile(
        tuple(
            BoardEntry(
                name=f"b{number}",
                memory=f"{own + round(low + part * (high - low)) + 1}",
                speed=speeds[number % len(speeds)],
                up=up,
            )
            for number, part in enumerate(room)
        )
    )


def cut(family: str, *room: float, strategy: str = "optimal", **request: object) -> Cut:
    network = network_of(family)
    if room:
        request["boards"] = boards(network.graph, *room)
    return strategies()[strategy].cut(network, PartitionRequest(**request))  # type: ignore[arg-type]


def cost(pieces: tuple[Graph, ...], **request: object) -> float:
    try:
        placed = forecast(pieces, PartitionRequest(**request))  # type: ignore[arg-type]
    except PlacementError:
        return np.inf
    return np.inf if placed is None else placed.cost("throughput")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_that_fits_stays_whole(family: str) -> None:
    made = cut(family, 1, 1.5)
    assert len(made.pieces) == 1
    assert "left whole" in made.notes[0]
    unknown = cut(family)
    assert len(unknown.pieces) == 1
    assert "boards" in unknown.notes[1]


@pytest.mark.parametrize("room", [(1,), (0.5, 0.6), (0.3,) * 3, (0.9, 0.4, 0.2, 0)])
@pytest.mark.parametrize("speeds", [(1.0,), (2.5, 1.0)])
@pytest.mark.parametrize("family", ["plain", "separable"])
def test_no_other_cut_promises_more(
    family: str, room: tuple[float, ...], speeds: tuple[float, ...]
) -> None:
    file = boards(network_of(family).graph, *room, speeds=speeds)
    others = [
        cost(cut(family, strategy=name, boards=file).pieces, boards=file)
        for name in ("layer", "block", "adaptive")
    ]
    best = cost(cut(family, boards=file).pieces, boards=file)
    assert best < np.inf
    assert best <= min(others) * (1 + 1e-9)


@settings(max_examples=6, deadline=None)
@given(
    family=st.sampled_from(FAMILIES),
    room=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    metric=st.sampled_from(sorted(METRICS)),
    share=st.none() | st.floats(0.1, 1.2),
    most=st.none() | st.integers(1, 8),
)
def test_pieces_run_in_order_within_the_budget_or_are_refused(
    family: str, room: list[float], metric: str, share: float | None, most: int | None
) -> None:
    graph = network_of(family).graph
    bound = None if share is None else max(1, int(METRICS[metric](graph) * share))
    budget = {"metric": metric, "max_complexity": bound, "max_partitions": most}
    try:
        made = cut(family, *room, **budget)
    except (BudgetError, PlacementError):
        return
    assert_chained(graph, made.pieces)
    assert most is None or len(made.pieces) <= most
    assert bound is None or all(METRICS[metric](piece) <= bound for piece in made.pieces)
    assert made.pieces == cut(family, *room, **budget).pieces


def chain_of(widths: tuple[int, ...]) -> Graph:
    """A network of one convolution after the other, with one skip from the first to the last."""
    keras = import_keras()
    image = x = keras.Input((32, 32, 1))
    first = None
    for width in widths:
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        first = x if first is None else first
    joined = keras.layers.Concatenate()([first, x])
    output = keras.layers.Conv2D(3, 1, activation="sigmoid")(joined)
    return read_network(keras.Model(image, output)).graph


@pytest.mark.parametrize("widths", [(8, 16, 8), (32, 4, 4, 32), (4, 64, 4)])
@pytest.mark.parametrize("room", [(0.6, 0.6), (0.9, 0.2), (0.3, 0.3, 0.3)])
def test_contiguous_cuts_are_the_best_of_all_that_there_are(
    widths: tuple[int, ...], room: tuple[float, ...]
) -> None:
    """Every cut into runs, each compiled as a piece, on every order of the boards."""
    graph = chain_of(widths)
    request = PartitionRequest(boards=boards(graph, *room, up="1Gbit"))
    problem = finest(graph, request)
    groups, least = fused_groups(graph), INFEASIBLE
    for count in range(1, len(room) + 1):
        for inner in itertools.combinations(range(1, len(groups)), count - 1):
            ends = (*inner, len(groups))
            runs = [groups[start:end] for start, end in zip((0, *inner), ends, strict=True)]
            merged = estimate(pieces_of(graph, runs), request)
            rows = np.array(list(itertools.permutations(range(len(room)), count)), np.int64)
            least = min(least, float(costs(merged, rows, "throughput").min()))
    found = contiguous_assignment(problem, "throughput")
    if found is None:
        assert least >= INFEASIBLE
        return
    reached = float(costs(problem, found[None], "throughput")[0])
    assert reached == pytest.approx(least, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(family=st.sampled_from(FAMILIES), data=st.data())
def test_runs_count_as_the_pieces_that_they_become(family: str, data: st.DataObject) -> None:
    """No order of loading takes more than is counted, and all else is equal.

    All but for the one operation that a layer without any is taken to compute.
    """
    graph = network_of(family).graph
    request = PartitionRequest(boards=boards(graph, 1, 1, 1))
    problem = finest(graph, request)
    groups = fused_groups(graph)
    ends = sorted({*data.draw(st.sets(st.integers(1, len(groups) - 1), max_size=5)), len(groups)})
    starts = [0, *ends[:-1]]
    on = [data.draw(st.integers(0, 2))]
    for _ in ends[1:]:
        on.append((on[-1] + data.draw(st.integers(1, 2))) % 3)
    runs = [groups[start:end] for start, end in zip(starts, ends, strict=True)]
    merged = estimate(pieces_of(graph, runs), request)
    row = np.array([on], np.int64)
    fine = np.repeat(row, np.diff([0, *ends]), axis=1)
    one, other = loads_of(problem, fine), loads_of(merged, row)
    for figure in ("compute", "up", "down", "used", "resident", "held"):
        np.testing.assert_allclose(getattr(one, figure), getattr(other, figure), rtol=1e-6)
    assert (one.loading >= other.loading - 1).all()
    np.testing.assert_allclose(latencies(problem, fine), latencies(merged, row), rtol=1e-6)


def test_fewer_pieces_are_found_where_more_are_not_allowed() -> None:
    file = boards(network_of("plain").graph, 0.5, 0.5, 0.5, up="1Gbit")
    free, few = cut("plain", boards=file), cut("plain", boards=file, max_partitions=2)
    assert len(few.pieces) == 2 < len(free.pieces)
    assert cost(free.pieces, boards=file) <= cost(few.pieces, boards=file) < np.inf


def test_what_fits_nowhere_is_said_with_the_layer() -> None:
    with pytest.raises(PlacementError, match=r"\w+ needs .* on b0, which has") as caught:
        cut("plain", -3, -4)
    assert "piece_" not in str(caught.value)
    with pytest.raises(PlacementError, match=r"no cut was found .* uncut, the network needs"):
        cut("plain", 0)


@pytest.mark.parametrize("family", ["plain", "u_net_plus_plus"])
def test_pieces_give_the_uncut_bits(family: str) -> None:
    network = network_of(family)
    made = cut(family, 0.3, 0.3, 0.3, 0.3)
    assert len(made.pieces) > 1
    uncut = compile_graph(network.graph, network.weights)
    pieces = [compile_graph(piece, made.network.weights) for piece in made.pieces]
    preprocessing = Preprocessing((0.0, 255.0), (SIZE, SIZE))
    images = noise_images(preprocessing, 2)
    assert compare(uncut, pieces, images, preprocessing, decoding(network.graph)[0]).identical
