"""Pieces cover the network, keep to the budget, and run in their order."""

from functools import cache

import pytest
import zoo
from chains import assert_chained
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.errors import BudgetError
from edgeseg.network.graph import Graph
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.layers.cost import graph_cost
from edgeseg_converters.network import Network
from edgeseg_converters.partition import METRICS, Partition, PartitionRequest, strategies

pytestmark = pytest.mark.tensorflow

FAMILIES = sorted(zoo.FAMILIES)


@cache
def graph_of(family: str) -> Graph:
    return read_network(zoo.FAMILIES[family](import_keras())).graph


def cut(graph: Graph, strategy: str = "adaptive", **request: object) -> Partition:
    request_ = PartitionRequest(**request)  # type: ignore[arg-type]
    return strategies()[strategy].cut(Network(graph, {}), request_).pieces


@pytest.mark.parametrize("strategy", ["adaptive", "block", "layer"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_cut_by_every_strategy(family: str, strategy: str) -> None:
    graph = graph_of(family)
    partition = cut(graph, strategy)
    assert len(partition) > 1
    assert_chained(graph, partition)


@settings(max_examples=40, deadline=None)
@given(
    family=st.sampled_from(FAMILIES),
    metric=st.sampled_from(sorted(METRICS)),
    share=st.floats(0.05, 1.2),
    most=st.none() | st.integers(1, 12),
)
def test_bound_and_count_hold_or_the_budget_is_refused(
    family: str, metric: str, share: float, most: int | None
) -> None:
    graph = graph_of(family)
    bound = max(1, int(METRICS[metric](graph) * share))
    try:
        partition = cut(graph, metric=metric, max_complexity=bound, max_partitions=most)
    except BudgetError:
        return
    assert_chained(graph, partition)
    assert all(METRICS[metric](piece) <= bound for piece in partition)
    assert most is None or len(partition) <= most


@given(family=st.sampled_from(FAMILIES), most=st.integers(1, 20))
@settings(max_examples=20, deadline=None)
def test_pieces_other_than_the_last_reach_their_share(family: str, most: int) -> None:
    graph = graph_of(family)
    partition = cut(graph, max_partitions=most)
    assert len(partition) <= most
    share = graph_cost(graph).flops / most
    assert all(graph_cost(piece).flops >= share for piece in partition[:-1])


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_bound_sets_the_number_of_pieces(metric: str) -> None:
    graph = graph_of("plain")
    total = METRICS[metric](graph)
    assert len(cut(graph, metric=metric, max_complexity=total)) == 1
    assert len(cut(graph, metric=metric, max_complexity=int(total * 0.7))) > 1


def test_one_layer_beyond_the_bound_is_named_with_its_excess() -> None:
    graph = graph_of("plain")
    worst = max(graph.layers, key=lambda layer: graph_cost(graph.subgraph("x", [layer.name])).flops)
    cost = graph_cost(graph.subgraph("x", [worst.name])).flops
    with pytest.raises(BudgetError, match=rf"layer {worst.name} .*1\.0 k FLOPs more"):
        cut(graph, max_complexity=cost - 1000)


def test_impossible_count_says_how_many_pieces_it_takes() -> None:
    graph = graph_of("plain")
    worst = max(graph_cost(graph.subgraph("x", group)).flops for group in fused_groups(graph))
    needed = len(cut(graph, max_complexity=worst))
    with pytest.raises(BudgetError, match=r"2 pieces .* it takes \d+") as caught:
        cut(graph, max_complexity=worst, max_partitions=2)
    fewest = int(str(caught.value).split("it takes ")[1].split(";")[0])
    assert 2 < fewest <= needed
    assert len(cut(graph, max_complexity=worst, max_partitions=fewest)) == fewest


def test_blocks_of_a_plain_u_net_are_its_levels() -> None:
    kinds = [[layer.kind for layer in piece.layers] for piece in cut(graph_of("plain"), "block")]
    encoder = ["Conv2D", "Conv2D", "MaxPooling2D"]
    decoder = ["Conv2DTranspose", "Concatenate", "Conv2D", "Conv2D"]
    assert kinds == [encoder, encoder, ["Conv2D", "Conv2D"], decoder, [*decoder, "Conv2D"]]


def test_strided_convolution_begins_a_block() -> None:
    keras = import_keras()
    image = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(2, 3, padding="same", name="fine")(image)
    x = keras.layers.Conv2D(2, 3, strides=2, padding="same", name="stride")(x)
    x = keras.layers.Conv2D(2, 3, padding="same", name="coarse")(x)
    graph = read_network(keras.Model(image, x)).graph
    names = [[layer.name for layer in piece.layers] for piece in cut(graph, "block")]
    assert names == [["fine"], ["stride", "coarse"]]


@pytest.mark.parametrize("strategy", ["block", "layer"])
def test_fixed_strategies_refuse_a_budget_they_break(strategy: str) -> None:
    graph = graph_of("plain")
    with pytest.raises(BudgetError, match=r"needs .* more than max_complexity"):
        cut(graph, strategy, max_complexity=1)
    with pytest.raises(BudgetError, match="max_partitions is 1"):
        cut(graph, strategy, max_partitions=1)
