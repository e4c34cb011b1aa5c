"""Divides pairs of heavy convolutions over branches, each branch a piece of its own.

For networks whose weights, not their activations, fill a board: every board holds its share of
the bottleneck's kernels, reads the whole input of the pair and sends a partial sum of the whole
output. Where activations dominate, row tiles send less.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from edgeseg.errors import UsageError, field_name
from edgeseg.network.graph import ITEM_SIZE, Graph
from edgeseg.text.units import format_bytes
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.network import Network
from edgeseg_converters.partition.adaptive import DEFAULT_PARTITIONS, adaptive
from edgeseg_converters.partition.complexity import METRICS, check_budget
from edgeseg_converters.partition.request import Cut, PartitionRequest, pieces_of
from edgeseg_converters.rewrite.branches import ConvolutionPair, divide_pair, find_pairs

TOLERANCE = 1e-5
"""Bound on the difference of a probability."""


@dataclass(frozen=True)
class _ChannelCandidate:
    """A pair that can be divided: bytes of its weights, and bytes that its branches exchange."""

    pair: ConvolutionPair
    channels: int
    weights: int
    traffic: int

    @property
    def pays(self) -> bool:
        return self.weights > self.traffic


@dataclass(frozen=True)
class BranchedNetwork:
    """A network with pairs divided.

    Attributes
    ----------
    network
        It computes the same but for the last bits.
    branches
        The layers of each branch; the branches of one pair follow one another.
    divided, whole
        A line on each pair that is divided, and on each heavy layer that is not.
    """

    network: Network
    branches: tuple[tuple[str, ...], ...]
    divided: tuple[str, ...]
    whole: tuple[str, ...]


def channel(network: Network, request: PartitionRequest) -> Cut:
    """Divide the pairs of convolutions whose weights have more bytes than their branches send.

    A pair of convolutions is divided over ``request.ways`` branches (else one a board, else two)
    where its weights have more bytes than the branches exchange: every branch reads the input of
    the pair and sends a sum of the size of its output. Of pairs that overlap the heavier is
    taken. Every branch is a piece; the sum stands at the head of the piece behind it. The
    stretches between divided pairs are cut as Algorithm I cuts a whole model, each to pieces of
    ``request.max_complexity`` or of a quarter of the model. Where ``request.max_partitions``
    bounds the pieces, the heaviest pairs are divided and each stretch is one piece.

    Raises
    ------
    UsageError
        If there are fewer than two ways, more than channels, or no pair that can be divided or
        is worth it.
    BudgetError
        If the pieces do not keep to the request.
    """
    branched = in_branches(network, _ways(request), request.max_partitions)
    graph = branched.network.graph
    pieces = pieces_of(graph, _runs(graph, branched.branches, request))
    notes = (*branched.divided, *branched.whole)
    return Cut(branched.network, check_budget(pieces, request), TOLERANCE, notes)


def in_branches(network: Network, ways: int, max_partitions: int | None = None) -> BranchedNetwork:
    """Divide the pairs of convolutions that :func:`channel` divides.

    Raises
    ------
    UsageError
        If there is no pair that can be divided or is worth it.
    """
    pairs, reasons = find_pairs(network.graph)
    candidates = [_candidate(network.graph, pair, ways) for pair in pairs]
    taken = _select(candidates, ways, max_partitions)
    if not taken:
        raise UsageError(_refusal(network.graph, candidates, reasons, ways))
    divided, branches = network, list[tuple[str, ...]]()
    for candidate in taken:
        step = divide_pair(divided, candidate.pair, ways)
        divided, branches = step.network, [*branches, *step.branches]
    lines = (f"{_line(candidate)}: divided over {ways} branches" for candidate in taken)
    whole = _left_whole(network.graph, taken, reasons, ways)
    return BranchedNetwork(divided, tuple(branches), tuple(lines), tuple(whole))


def _ways(request: PartitionRequest) -> int:
    ways = request.parts
    if ways < 2:
        raise UsageError(
            f"channels can't be divided {ways} ways; give {field_name('ways')} 2 or more"
        )
    return ways


def _candidate(graph: Graph, pair: ConvolutionPair, ways: int) -> _ChannelCandidate:
    entry = graph.tensors[graph.layer(pair.first).inputs[0]]
    return _ChannelCandidate(
        pair,
        graph.tensors[pair.first].shape[-1],
        ITEM_SIZE["float32"] * sum(graph.layer(name).parameters for name in pair.layers),
        ways * (entry.nbytes + graph.tensors[pair.second].nbytes),
    )


def _select(
    candidates: Sequence[_ChannelCandidate], ways: int, max_partitions: int | None
) -> list[_ChannelCandidate]:
    """Select pairs that pay and do not overlap, the heaviest first, as many as pieces allow."""
    taken: list[_ChannelCandidate] = []
    busy: set[str] = set()
    for candidate in sorted(candidates, key=lambda candidate: -candidate.weights):
        fits = candidate.channels >= ways and busy.isdisjoint(candidate.pair.layers)
        if fits and candidate.pays:
            taken.append(candidate)
            busy.update(candidate.pair.layers)
    # Each pair makes its branches and the piece behind them, and one piece is before them all.
    if max_partitions is None:
        return taken
    return taken[: max(1, (max_partitions - 1) // (ways + 1))]


def _runs(
    graph: Graph, branches: Sequence[tuple[str, ...]], request: PartitionRequest
) -> Iterator[list[tuple[str, ...]]]:
    """Yield the groups of each branch, and those of each piece between branches."""
    branch_of = {name: index for index, names in enumerate(branches) for name in names}
    share = max(1, METRICS[request.metric](graph) // DEFAULT_PARTITIONS)
    for branch, run in groupby(fused_groups(graph), lambda group: branch_of.get(group[0])):
        if branch is not None:
            yield list(run)
            continue
        stretch = graph.subgraph("stretch", (name for group in run for name in group))
        for piece in adaptive(stretch, _of_stretch(stretch, request, share)):
            yield [tuple(layer.name for layer in piece.layers)]


def _of_stretch(stretch: Graph, request: PartitionRequest, share: int) -> PartitionRequest:
    """Return the request for a stretch: so many pieces, unless their complexity is bounded."""
    if request.max_complexity is not None:
        return replace(request, max_partitions=None)
    count = -(-METRICS[request.metric](stretch) // share) if request.max_partitions is None else 1
    return replace(request, max_partitions=max(1, count))


def _refusal(
    graph: Graph, candidates: Sequence[_ChannelCandidate], reasons: Mapping[str, str], ways: int
) -> str:
    """Return why no pair is divided, with the pair that comes nearest."""
    other = f"use another {field_name('strategy')}"
    if not candidates:
        heaviest = max(reasons, key=lambda name: graph.layer(name).parameters, default=None)
        why = "it has no convolutions" if heaviest is None else reasons[heaviest]
        return f"no two convolutions of this model can be divided by channels: {why}; {other}"
    wide = [candidate for candidate in candidates if candidate.channels >= ways]
    if not wide:
        widest = max(candidates, key=lambda candidate: candidate.channels)
        return (
            f"{field_name('ways')} {ways} is more than the {widest.channels} channels of "
            f"{widest.pair.first}, the widest layer that can be divided; give fewer"
        )
    nearest = max(wide, key=lambda candidate: candidate.weights / candidate.traffic)
    return (
        f"no two convolutions of this model are worth dividing {ways} ways: {_line(nearest)} "
        f"come nearest, with {format_bytes(nearest.traffic)} to send; {other}"
    )


def _left_whole(
    graph: Graph, taken: Sequence[_ChannelCandidate], reasons: Mapping[str, str], ways: int
) -> Iterator[str]:
    """Yield why convolutions whose weights have more bytes than their tensors stay whole."""
    busy = {name for candidate in taken for name in candidate.pair.layers}
    for name in (name for name in reasons if name not in busy):
        layer = graph.layer(name)
        candidate = _candidate(graph, ConvolutionPair((name,)), ways)
        if candidate.pays:
            size = format_bytes(candidate.weights)
            yield f"{layer.name} ({size} of weights) stays whole: {reasons[name]}"


def _line(candidate: _ChannelCandidate) -> str:
    pair = candidate.pair
    return f"{pair.first} and {pair.second} ({format_bytes(candidate.weights)} of weights)"
