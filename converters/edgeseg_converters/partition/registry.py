"""The table of partition strategies: how each cuts, what it heeds, when to use it.

A strategy is added by a file that cuts and a row of :data:`BUILT_IN`. A package of its own
registers its :class:`Strategy` as an entry point of the group ``edgeseg.partition_strategies``.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from edgeseg.errors import EdgesegError
from edgeseg.plugins import plugins

if TYPE_CHECKING:
    from edgeseg_converters.network import Network
    from edgeseg_converters.partition.request import Cut, CutFunction, PartitionRequest

GROUP = "edgeseg.partition_strategies"
"""Entry points of other packages' strategies."""


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to cut a network into pieces.

    Attributes
    ----------
    name
        What the user calls it.
    cut
        Cuts a network.
    divides
        Whether it divides spans of layers, and so heeds ``ways``.
    places
        Whether it looks at the boards.
    tolerant
        Whether it heeds a tolerance. Its network then takes fewer products before it is cut,
        unless it ``rewrites``.
    rewrites
        Whether it decides by itself which convolutions take fewer products, as long as
        ``PartitionRequest.fewer_products`` lets it.
    help
        What it does and when to use it, in one line that goes on from the name.

    Raises
    ------
    ValueError
        If it has no name or no help, or rewrites although it is not tolerant.
    """

    name: str
    cut: "CutFunction"
    divides: bool
    places: bool
    tolerant: bool
    rewrites: bool = False
    help: str

    def __post_init__(self) -> None:
        """Refuse a row without what others rely on."""
        if not self.name or not self.help:
            raise ValueError("a strategy needs a name and a line of help")
        if self.rewrites and not self.tolerant:
            raise ValueError(f"{self.name} rewrites convolutions and must be tolerant")


@cache
def strategies() -> Mapping[str, Strategy]:
    """Return all strategies by name: the built-in ones, then those of other packages.

    Raises
    ------
    EdgesegError
        If a package's strategy can't be loaded, or two strategies have one name.
    """
    rows = (*BUILT_IN, *plugins(GROUP, Strategy))
    for name, count in Counter(row.name for row in rows).items():
        if count > 1:
            raise EdgesegError(
                f"{count} partition strategies are called {name!r}; remove a package of {GROUP}"
            )
    return {row.name: row for row in rows}


def names_of(heeds: Callable[[Strategy], bool]) -> tuple[str, ...]:
    """Name the strategies that heed something, such as ``lambda strategy: strategy.divides``."""
    return tuple(name for name, strategy in strategies().items() if heeds(strategy))


def _cut_by(module: str, function: str) -> "CutFunction":
    """Return a function of a module here that is imported when a network is cut by it."""

    def cut(network: "Network", request: "PartitionRequest") -> "Cut":
        cutting: CutFunction = getattr(import_module(f"{__package__}.{module}"), function)
        return cutting(network, request)

    return cut


def _between_layers(module: str) -> "CutFunction":
    """Return the function that bears its module's name and only chooses where to cut a graph."""

    def cut(network: "Network", request: "PartitionRequest") -> "Cut":
        from edgeseg_converters.partition.request import Cut

        partition = getattr(import_module(f"{__package__}.{module}"), module)
        return Cut(network, partition(network.graph, request))

    return cut


def _best(network: "Network", request: "PartitionRequest") -> "Cut":
    """Cut by the best of all other strategies."""
    from edgeseg_converters.partition.auto import auto

    candidates = {name: row.cut for name, row in strategies().items() if name != "auto"}
    return auto(network, request, candidates)


BUILT_IN = (
    Strategy(
        name="adaptive",
        cut=_between_layers("adaptive"),
        divides=False,
        places=False,
        tolerant=True,
        help="shares complexity evenly, for boards that are alike",
    ),
    Strategy(
        name="block",
        cut=_between_layers("block"),
        divides=False,
        places=False,
        tolerant=True,
        help="cuts where the resolution changes, which moves few bytes",
    ),
    Strategy(
        name="layer",
        cut=_between_layers("layer"),
        divides=False,
        places=False,
        tolerant=True,
        help="cuts wherever possible, for boards that are yet unknown",
    ),
    Strategy(
        name="optimal",
        cut=_cut_by("optimal", "optimal"),
        divides=False,
        places=True,
        tolerant=True,
        help="cuts for the boards given, where the network fits none of them whole",
    ),
    Strategy(
        name="data",
        cut=_cut_by("tiling.rows", "data"),
        divides=True,
        places=True,
        tolerant=True,
        rewrites=True,
        help="divides the rows of a slice, and heavy layers by channels, for the soonest slice",
    ),
    Strategy(
        name="channel",
        cut=_cut_by("channel", "channel"),
        divides=True,
        places=True,
        tolerant=False,
        help="divides convolutions by channels, where weights fill the memory",
    ),
    Strategy(
        name="auto",
        cut=_best,
        divides=True,
        places=True,
        tolerant=True,
        help="tries them all for the boards given and keeps the fastest",
    ),
)
