"""Kill a random worker at a random moment, again and again: ``kill.py BUNDLE [--runs N]``.

Three workers run a scan; one of them is killed in mid-volume, and started again after the run.
Every mask must equal that of the undisturbed run, and every slice must have come once.
"""

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from processes import RunningWorker, Workers

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.output.terminal import console, figure_table, progress
from edgeseg_runtime import Segmenter
from edgeseg_runtime.results.run_report import LossReport

_WORKERS = 3
_SECONDS = 1.5
"""About how long an undisturbed scan takes: long enough for moments of all kinds."""


@dataclass(frozen=True)
class Outcome:
    """One run with a killed worker; ``recovery`` is from the kill to the first mask after it."""

    board: str
    moment: float
    seconds: float
    recovery: float | None
    identical: bool
    slices: int
    replayed: int
    losses: int


@dataclass(frozen=True)
class Summary:
    """All runs together."""

    runs: int
    slices: int
    identical: int
    complete: int
    lost_in_time: int
    replayed: int
    median_recovery: float
    worst_recovery: float
    undisturbed_seconds: float
    median_seconds: float


class Soak:
    """Workers, and a scan to segment on them over and over."""

    def __init__(self, bundle: Path, workers: Workers, rng: random.Random) -> None:
        self._bundle = bundle
        self._workers = workers
        self._rng = rng
        self._running = [workers.start() for _ in range(_WORKERS)]
        size = Bundle(bundle).manifest.preprocessing.size
        self._noise = np.random.default_rng(5).integers(-100, 400, (64, *size), dtype=np.int16)
        with self._segmenter() as segmenter:
            first = segmenter.segment(self._scan(64)).report
            self._count = max(30, round(first.slices_per_second * _SECONDS))
            start = time.monotonic()
            self._expected = segmenter.segment(self._scan(self._count)).mask
            self.undisturbed = time.monotonic() - start

    def run(self) -> Outcome:
        """Segment the scan while a worker is killed, and start that worker again."""
        victim = self._rng.randrange(_WORKERS)
        moment = self._rng.uniform(0, self.undisturbed)
        progress_calls: list[None] = []
        killed: list[float] = []

        def kill() -> None:
            killed.append(time.monotonic())
            self._running[victim].process.kill()

        with self._segmenter() as segmenter:
            timer = threading.Timer(moment, kill)
            start = time.monotonic()
            timer.start()
            done = segmenter.segment(
                self._scan(self._count), progress=lambda: progress_calls.append(None)
            )
            seconds = time.monotonic() - start
            timer.join()
        self._running[victim] = self._again(self._running[victim])
        losses = done.report.losses
        return Outcome(
            board=f"board-{victim + 1}",
            moment=moment,
            seconds=seconds,
            recovery=_recovery(killed[0] - start, losses[0]) if losses else None,
            identical=bool(np.array_equal(done.mask, self._expected)),
            slices=len(progress_calls),
            replayed=done.report.replayed_slices,
            losses=len(losses),
        )

    @property
    def slices(self) -> int:
        """Slices of the scan."""
        return self._count

    def _again(self, dead: RunningWorker) -> RunningWorker:
        dead.process.wait()
        return self._workers.start("--listen", dead.endpoint)

    def _segmenter(self) -> Segmenter:
        return Segmenter(self._bundle, [worker.endpoint for worker in self._running])

    def _scan(self, count: int) -> NDArray[np.int16]:
        shifts = np.arange(count, dtype=np.int16)[:, None, None] % 50
        return np.asarray(self._noise[np.arange(count) % len(self._noise)] + shifts, np.int16)


def _recovery(since: float, loss: LossReport) -> float | None:
    """Return the seconds from the kill, so long after the start, to the first mask after it."""
    if loss.recovery_seconds is None:
        return None
    return loss.at_seconds + loss.recovery_seconds - since


def soak(bundle: Path, runs: int, seed: int = 7) -> tuple[Summary, list[Outcome]]:
    """Run so many times with a killed worker."""
    with Workers() as workers:
        trial = Soak(bundle, workers, random.Random(seed))
        outcomes = []
        with progress(runs, "killing workers", unit="runs") as advance:
            for _ in range(runs):
                outcomes.append(trial.run())
                advance()
        return _summary(trial, outcomes), outcomes


def _summary(trial: Soak, outcomes: Sequence[Outcome]) -> Summary:
    recoveries = [outcome.recovery for outcome in outcomes if outcome.recovery is not None]
    return Summary(
        runs=len(outcomes),
        slices=trial.slices,
        identical=sum(outcome.identical for outcome in outcomes),
        complete=sum(outcome.slices == trial.slices for outcome in outcomes),
        lost_in_time=sum(outcome.losses > 0 for outcome in outcomes),
        replayed=sum(outcome.replayed for outcome in outcomes),
        median_recovery=statistics.median(recoveries) if recoveries else 0.0,
        worst_recovery=max(recoveries, default=0.0),
        undisturbed_seconds=trial.undisturbed,
        median_seconds=statistics.median(outcome.seconds for outcome in outcomes),
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run and print; 1 if a mask differs or a slice was lost or came twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    summary, outcomes = soak(options.bundle, options.runs, options.seed)
    figures: dict[str, Any] = asdict(summary)
    table = figure_table(("figure",), ("value",))
    for name, value in figures.items():
        table.add_row(
            name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value)
        )
    console.print(table)
    if options.json is not None:
        record = {"summary": figures, "runs": [asdict(outcome) for outcome in outcomes]}
        options.json.write_text(json.dumps(record, indent=2))
    return int(not summary.identical == summary.complete == summary.runs)


if __name__ == "__main__":
    sys.exit(main())
