"""Tries all strategies for the boards at hand and keeps the best, with the comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeseg.errors import EdgesegError, PlacementError
from edgeseg.planning.heuristics.baselines import EvaluatedPlacement as Placed
from edgeseg.planning.heuristics.heuristic_plan import rounded_period
from edgeseg.planning.planner import plan
from edgeseg.progress import silent
from edgeseg_converters.network import Network
from edgeseg_converters.partition.estimate import crossing_bytes, estimate
from edgeseg_converters.partition.request import (
    Alternative,
    Cut,
    CutFunction,
    PartitionRequest,
)

_SECONDS = 4.0
"""Limit on placing the pieces of one strategy; for few boards it takes much less."""


@dataclass(frozen=True)
class CandidateResult:
    """What a strategy gave: a cut and the best placement of its pieces, or why there is none."""

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


def auto(network: Network, request: PartitionRequest, candidates: Mapping[str, CutFunction]) -> Cut:
    """Try every strategy, and keep the one that promises the most slices a second on the boards.

    Use it where it is not clear what suits the boards. All candidates compute the same products.
    Of strategies that promise the same, the one of the fewest pieces is kept. The same request
    gives the same cut, unless the search for the best placement of many pieces on many boards
    runs out of time.

    Parameters
    ----------
    network
        Graph and weights.
    request
        Budget, boards and ways.
    candidates
        The strategies by name.

    Raises
    ------
    PlacementError
        If no strategy makes pieces that fit the boards and keep to the budget.
    """
    progress = request.progress
    request = replace(request, fewer_products=False, progress=silent)
    results = []
    with progress(len(candidates), "trying strategies") as advance:
        for name, cut in candidates.items():
            advance(0, note=f"trying {name}")
            results.append(_try(name, cut, network, request))
            advance()
    best = min(results, key=lambda result: result.rank)
    if best.cut is None or best.placed is None:
        raise PlacementError(_refusal(results))
    rows = tuple(
        _alternative(result, request.precision, chosen=result is best) for result in results
    )
    notes = (
        *(f"{result.strategy} is out: {result.reason}" for result in results if result.reason),
        f"{best.strategy} is kept, which promises the most slices a second",
    )
    return _with_comparison(best.cut, notes, rows)


def _with_comparison(cut: Cut, notes: tuple[str, ...], rows: tuple[Alternative, ...]) -> Cut:
    """Return a cut, and what stands by for it, with the notes and rows of the comparison."""
    stands_by = cut.otherwise
    otherwise = None if stands_by is None else lambda: _with_comparison(stands_by(), notes, rows)
    return replace(cut, notes=(*notes, *cut.notes), comparison=rows, otherwise=otherwise)


def _try(
    name: str, cutting: CutFunction, network: Network, request: PartitionRequest
) -> CandidateResult:
    try:
        cut = cutting(network, request)
        best = plan(estimate(cut.pieces, request), time_limit=_SECONDS)
    except EdgesegError as error:
        return CandidateResult(name, reason=str(error))
    return CandidateResult(name, cut, Placed(best.method, best.lanes, best.prediction))


def _alternative(result: CandidateResult, precision: str, *, chosen: bool) -> Alternative:
    if result.cut is None or result.placed is None:
        return Alternative(strategy=result.strategy, reason=result.reason)
    prediction = result.placed.prediction
    return Alternative(
        strategy=result.strategy,
        chosen=chosen,
        placement=result.placed.name,
        pieces=len(result.cut.pieces),
        slices_per_second=prediction.rate,
        latency_seconds=prediction.latency,
        largest_memory_bytes=prediction.largest_need,
        crossing_bytes=crossing_bytes(result.cut.pieces, precision),
    )


def _refusal(results: Sequence[CandidateResult]) -> str:
    """Return the message of ``optimal``, which says what is lacking, else that of the last."""
    reasons = {result.strategy: result.reason for result in results}
    return f"no strategy suits: {reasons.get('optimal') or results[-1].reason}"
