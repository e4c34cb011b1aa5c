"""Slices a second as planned from a profile, and as they came: local workers of one core each."""

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
from measures import images, worker_start

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry, piece_key
from edgeseg.boards.link import Link
from edgeseg.boards.profile_file import MeasuredBoard
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.text.units import format_rate
from edgeseg_runtime import Segmenter
from edgeseg_runtime.local_workers import LocalWorkers, WorkerShare
from edgeseg_runtime.profiling.links import own_link
from edgeseg_runtime.profiling.profile import Profiler
from edgeseg_runtime.results.run_report import RunReport

sys.path.append(str(Path(__file__).parents[1] / "support"))
from limits import limit_for_runs, memory_need

_ROUNDS = 15
_AMPLE = 2**30


@dataclass(frozen=True)
class Forecast:
    """Slices a second, and how many workers a slice passed through."""

    planned: float
    measured: float
    boards: int

    @property
    def ratio(self) -> float:
        """What was planned, as a part of what came."""
        return self.planned / self.measured


def forecast(path: Path, *, slices: int) -> Forecast:
    """Profile a bundle on two workers that only together hold it, then plan and segment."""
    report = profiled_run(path, limit=_limit_for_two(Bundle(path)), slices=slices)
    return Forecast(
        report.planned_slices_per_second,
        report.slices_per_second,
        boards=max(len(set(lane.pieces.values())) for lane in report.lanes),
    )


def profiled_run(path: Path, *, limit: int, slices: int) -> RunReport:
    """Profile a bundle on two workers of one core, then segment on two that are as fresh."""
    bundle, share = Bundle(path), WorkerShare(2, 1, limit)
    with LocalWorkers(share) as entries:
        figures = Profiler(bundle, entries, LinkEntry(), _ROUNDS).measure(lambda: None)
    known = {each.board.name: each for each in figures}
    proven = own_link(LinkEntry(), figures)
    here = LinkEntry() if proven is None else _entry_of(proven)
    with LocalWorkers(share) as entries:
        boards = [_with_figures(entry, known[entry.name], bundle) for entry in entries]
        with Segmenter(path, boards, coordinator=here) as segmenter:
            segmenter.segment(images(2))
            return segmenter.segment(images(slices)).report


def unprofiled(path: Path, *, slices: int) -> Forecast:
    """Plan with what two workers of one core measure of themselves at their start, and segment."""
    with LocalWorkers(WorkerShare(2, 1, _AMPLE)) as entries, Segmenter(path, entries) as segmenter:
        segmenter.segment(images(2))
        report = segmenter.segment(images(slices)).report
    return Forecast(report.planned_slices_per_second, report.slices_per_second, boards=1)


def _limit_for_two(bundle: Bundle) -> int:
    """Half way between what two workers need each, and what one needs that holds all."""
    base = worker_start()[1]
    everything = frozenset(piece.name for piece in bundle.manifest.pieces)
    alone = memory_need(bundle.manifest, Board("any", 0, base), everything, 1)
    return (limit_for_runs(bundle.manifest, base, 2) + alone) // 2


def _with_figures(entry: BoardEntry, figures: MeasuredBoard, bundle: Bundle) -> BoardEntry:
    link, pieces = _entry_of(figures.link), bundle.manifest.pieces
    times = {piece_key(piece): 1e3 * figures.seconds[piece.name] for piece in pieces}
    return msgspec.structs.replace(entry, **msgspec.structs.asdict(link), piece_ms=times)


def _entry_of(link: Link) -> LinkEntry:
    rates = (format_rate(link.up), format_rate(link.down))
    return LinkEntry(
        up=rates[0], down=rates[1], latency_ms=1e3 * link.latency, byte_ns=1e9 * link.toll
    )


if __name__ == "__main__":
    found = forecast(Path(sys.argv[1]), slices=int(sys.argv[2]))
    print(f"planned {found.planned:.2f}, measured {found.measured:.2f}, ratio {found.ratio:.3f}")
