"""The best of all strategies for the boards at hand, with the comparison."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from edgeseg.errors import EdgesegError, PlacementError
from edgeseg.output.terminal import progress
from edgeseg.planning.heuristics.baselines import EvaluatedPlacement as Placed
from edgeseg.planning.heuristics.heuristic_plan import rounded_period
from edgeseg.planning.planner import plan
from edgeseg_converters.network import Network
from edgeseg_converters.partition.estimate import crossing_bytes, estimate
from edgeseg_converters.partition.request import Alternative, Cut, PartitionRequest

_SECONDS = 4.0
"""To place the pieces of one strategy; few boards take much less."""

Candidates: TypeAlias = Mapping[str, Callable[[Network, PartitionRequest], Cut]]


@dataclass(frozen=True)
class CandidateResult:
    """What became of a strategy: a cut and the best place for its pieces, or why there is none."""

    strategy: str
    cut: Cut | None = None
    placed: Placed | None = None
    reason: str | None = None

    @property
    def rank(self) -> tuple[float, int]:
        """Seconds between two slices, then the number of pieces: the less the better."""
        if self.cut is None or self.placed is None:
            return (float("inf"), 0)
        return (rounded_period(self.placed), len(self.cut.pieces))


def auto(network: Network, request: PartitionRequest, candidates: Candidates) -> Cut:
    """Try every strategy, and keep the one that promises the most slices a second on the boards.

    Use it where it is not clear what suits the boards. Of strategies that promise the same, the
    one of the fewest pieces is kept. The same request gives the same cut, unless the search for
    the best placement of many pieces on many boards runs out of time.

    Parameters
    ----------
    network
        What is to be cut.
    request
        Budget, boards and ways.
    candidates
        The strategies by name.

    Raises
    ------
    PlacementError
        If no strategy makes pieces that fit the boards and keep to the budget.
    """
    tried = []
    with progress(len(candidates), "trying strategies") as advance:
        for name, strategy in candidates.items():
            advance(0, note=f"trying {name}")
            tried.append(_try(name, strategy, network, request))
            advance()
    best = min(tried, key=lambda one: one.rank)
    if best.cut is None or best.placed is None:
        raise PlacementError(_refusal(tried))
    rows = tuple(_alternative(one, request.precision, chosen=one is best) for one in tried)
    notes = (
        *(f"{one.strategy} is out: {one.reason}" for one in tried if one.reason is not None),
        f"{best.strategy} is kept, which promises the most slices a second",
    )
    return _told(best.cut, notes, rows)


def _told(cut: Cut, notes: tuple[str, ...], rows: tuple[Alternative, ...]) -> Cut:
    """Return a cut, and what stands by for it, with what the comparison says."""
    otherwise = None if cut.otherwise is None else _told(cut.otherwise, notes, rows)
    return replace(cut, notes=(*notes, *cut.notes), comparison=rows, otherwise=otherwise)


def _try(
    name: str,
    strategy: Callable[[Network, PartitionRequest], Cut],
    network: Network,
    request: PartitionRequest,
) -> CandidateResult:
    try:
        cut = strategy(network, request)
        found = plan(estimate(cut.pieces, request), time_limit=_SECONDS)
    except EdgesegError as error:
        return CandidateResult(name, reason=str(error))
    return CandidateResult(name, cut, Placed(found.method, found.lanes, found.prediction))


def _alternative(one: CandidateResult, precision: str, *, chosen: bool) -> Alternative:
    if one.cut is None or one.placed is None:
        return Alternative(strategy=one.strategy, reason=one.reason)
    does = one.placed.prediction
    return Alternative(
        strategy=one.strategy,
        chosen=chosen,
        placement=one.placed.name,
        pieces=len(one.cut.pieces),
        slices_per_second=does.rate,
        latency_seconds=does.latency,
        largest_memory_bytes=does.largest_need,
        crossing_bytes=crossing_bytes(one.cut.pieces, precision),
    )


def _refusal(tried: Sequence[CandidateResult]) -> str:
    """Say what the most able strategy said, as it says what is lacking."""
    reasons = {one.strategy: one.reason for one in tried}
    return f"no strategy suits: {reasons.get('optimal') or tried[-1].reason}"
