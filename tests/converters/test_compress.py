"""The steps of a recipe on a whole network, and what is said of them."""

import zoo

from edgeseg_converters.compress import compress
from edgeseg_converters.keras_graph import read_network
from edgeseg_converters.quiet import import_keras
from edgeseg_converters.recipe import Filters, Recipe


def test_a_network_that_is_small_already_keeps_its_filters() -> None:
    network = read_network(zoo.FAMILIES["plain"](import_keras()))
    count = network.graph.parameters

    kept = compress(network, Recipe(filters=Filters(0.5, multiple=1, above=count)), ())
    assert kept.network is network
    assert kept.notes[0].startswith("all filters are kept: the network has ")

    pruned = compress(network, Recipe(filters=Filters(0.5, multiple=1, above=count - 1)), ())
    assert pruned.network.graph.parameters < count / 2
