"""The steps of a recipe on a whole network, and what is said of them."""

import numpy as np
import pytest
import zoo
from heard_progress import HeardProgress
from msgspec.structs import replace

from edgeseg.errors import UsageError
from edgeseg_converters.compress.compress import compress
from edgeseg_converters.compress.recipe import Filters, FineTuning, Recipe, Rounding
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras

pytestmark = pytest.mark.tensorflow


def test_a_network_that_is_small_already_keeps_its_filters() -> None:
    network = read_network(zoo.FAMILIES["plain"](import_keras()))
    count = network.graph.parameters

    kept = compress(network, Recipe(filters=Filters(0.5, multiple=1, above=count)), ())
    assert kept.network is network
    assert kept.notes[0].startswith("all filters are kept: the network has ")

    pruned = compress(network, Recipe(filters=Filters(0.5, multiple=1, above=count - 1)), ())
    assert pruned.network.graph.parameters < count / 2


def test_a_small_network_may_lose_a_smaller_share() -> None:
    network = read_network(zoo.FAMILIES["plain"](import_keras()))
    count = network.graph.parameters
    little = Filters(0.5, multiple=1, above=count, small=0.25)
    expected = compress(network, Recipe(filters=Filters(0.25, multiple=1)), ()).network.graph
    assert compress(network, Recipe(filters=little), ()).network.graph == expected
    half = compress(network, Recipe(filters=replace(little, above=count - 1)), ()).network.graph
    assert half.parameters < expected.parameters < count


def test_nothing_is_learnt_back_where_nothing_was_lost() -> None:
    network = read_network(zoo.FAMILIES["plain"](import_keras()))
    count = network.graph.parameters
    recipe = Recipe(filters=Filters(0.5, above=count), finetune=FineTuning(10_000))
    assert compress(network, recipe, ()).network is network


def test_rounding_comes_last() -> None:
    network = read_network(zoo.FAMILIES["plain"](import_keras()))
    images = list(zoo.random_images(2)[:, np.newaxis])
    recipe = Recipe(
        filters=Filters(0.5, multiple=1), finetune=FineTuning(1), rounding=Rounding(8, levels=3)
    )
    rounded = compress(network, recipe, images).network
    assert rounded.graph.parameters < network.graph.parameters
    for layer in rounded.graph.layers:
        if layer.kind == "Conv2D":
            for channel in np.moveaxis(rounded.weights[layer.name][0], -1, 0):
                assert len(np.unique(channel)) <= 3


def test_rounding_needs_slices() -> None:
    network = read_network(zoo.FAMILIES["plain"](import_keras()))
    with pytest.raises(UsageError, match="rounding looks at slices"):
        compress(network, Recipe(rounding=Rounding(2.0)), ())


def test_every_step_tells_how_far_it_is() -> None:
    network = read_network(zoo.FAMILIES["batch_norm"](import_keras()))
    images = list(zoo.random_images(2)[:, np.newaxis])
    recipe = Recipe(filters=Filters(0.25, multiple=1, importance="taylor"), rounding=Rounding(3))
    heard = HeardProgress()
    compress(network, recipe, images, heard)
    assert [job.description for job in heard.jobs] == [
        "ranking filters",
        "fitting what is left",
        "weighing errors",
        "pricing bits",
        "rounding weights",
    ]
    assert all(job.done == job.total for job in heard.jobs)
