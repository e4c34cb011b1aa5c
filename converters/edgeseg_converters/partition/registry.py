"""The table of partition strategies: how each cuts, what it heeds, when to use it.

To add a strategy is one file that cuts and one row here. A package of somebody else adds its
own through the entry-point group :data:`GROUP`, each entry a :class:`Strategy` of that name::

    [project.entry-points."edgeseg.partition_strategies"]
    halves = "my_package.halves:HALVES"
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypeAlias

from edgeseg.errors import EdgesegError

if TYPE_CHECKING:
    from edgeseg_converters.network import Network
    from edgeseg_converters.partition.request import Cut, PartitionRequest

GROUP = "edgeseg.partition_strategies"
"""Entry points of strategies from outside."""

CutFunction: TypeAlias = "Callable[[Network, PartitionRequest], Cut]"
"""Cuts a network as a request asks, or raises an :class:`~edgeseg.errors.EdgesegError`."""


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
    """

    name: str
    cut: CutFunction
    divides: bool
    places: bool
    tolerant: bool
    rewrites: bool = False
    help: str


@cache
def strategies() -> Mapping[str, Strategy]:
    """Return all strategies by name, those from outside last.

    Raises
    ------
    EdgesegError
        If one from outside can't be imported, is no :class:`Strategy`, or has another's name.
    """
    table = {strategy.name: strategy for strategy in _TABLE}
    for entry in entry_points(group=GROUP):
        if entry.name in table:
            raise _unusable(entry, "there is another one of that name")
        table[entry.name] = _loaded(entry)
    return table


def names_of(heeds: Callable[[Strategy], bool]) -> tuple[str, ...]:
    """Name the strategies that heed something, such as ``lambda strategy: strategy.divides``."""
    return tuple(name for name, strategy in strategies().items() if heeds(strategy))


def _loaded(entry: EntryPoint) -> Strategy:
    try:
        strategy = entry.load()
    except Exception as error:
        raise _unusable(entry, f"{type(error).__name__}: {error}") from error
    if not isinstance(strategy, Strategy) or strategy.name != entry.name:
        raise _unusable(entry, f"it is no Strategy of the name {entry.name!r}")
    return strategy


def _unusable(entry: EntryPoint, reason: str) -> EdgesegError:
    package = "its package" if entry.dist is None else entry.dist.name
    return EdgesegError(
        f"partition strategy {entry.name!r} ({entry.value}) can't be used: {reason}; "
        f"mend or uninstall {package}"
    )


def _cut_by(module: str, function: str) -> CutFunction:
    """Return a function of a module here that is imported when a network is cut by it."""

    def cut(network: "Network", request: "PartitionRequest") -> "Cut":
        cutting: CutFunction = getattr(import_module(f"{__package__}.{module}"), function)
        return cutting(network, request)

    return cut


def _between_layers(module: str) -> CutFunction:
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


_TABLE = (
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
