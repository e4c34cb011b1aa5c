"""Mutated pieces and orders at a real worker: each is done or refused, and the worker stands it.

``python tests/fuzz/pieces.py`` tries them for an hour (with tests/support on the path).
"""

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import order_mutation
import piece_mutation
from attack import BrokenError
from made_bundles import made_bundle
from made_pieces import hungry_piece, sound_piece
from processes import RunningWorker, Workers
from serving import outcome_of, whole
from talking import Sockets, greet, hear

from edgeseg.bundle.bundle_file import Bundle, digest, pack
from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import console, figure_table
from edgeseg.text.units import MIB
from edgeseg_runtime.messaging.assignments import trial_assignment
from edgeseg_runtime.messaging.wire import Assignment, Ping, Pong, Ready

LIMIT_MIB = 200
_TRIAL_SECONDS = 90.0
"""Longer than a piece may take to load and run, so that one that never ends is heard of."""


@dataclass(frozen=True)
class Sent:
    """An order, and the files of the pieces that it names, by SHA-256."""

    kind: str
    order: Assignment
    models: Mapping[str, bytes]


class Sender:
    """Sends one order after the other to a worker, and notes what it says."""

    def __init__(self, worker: RunningWorker, sockets: Sockets) -> None:
        self._link = sockets.link(worker.endpoint)
        greet(self._link)
        self._epoch = 0
        self.outcomes: Counter[str] = Counter()
        self.peak_mib = 0.0
        self.slowest = 0.0

    def send(self, sent: Sent) -> None:
        """Have pieces tried, loaded and run."""
        self._epoch += 1
        start = time.perf_counter()
        order = msgspec.structs.replace(sent.order, epoch=self._epoch)
        outcome = self._outcome(order, sent.models)
        self.slowest = max(self.slowest, time.perf_counter() - start)
        self.outcomes[f"{sent.kind} {outcome}"] += 1
        self._check()

    def _outcome(self, order: Assignment, models: Mapping[str, bytes]) -> str:
        outcome = outcome_of(
            self._link, order, lambda sha256: pack(models.get(sha256, b"")), _TRIAL_SECONDS
        )
        if isinstance(outcome, Ready):
            return "run"
        return "crashed" if outcome.crashing_piece else "refused"

    def _check(self) -> None:
        """Make sure that the worker lives, answers, and keeps its promise."""
        self._link.send(Ping("test"))
        pong = hear(self._link, Pong)
        self.peak_mib = max(self.peak_mib, pong.peak_memory_bytes / MIB)
        if self.peak_mib > LIMIT_MIB:
            raise BrokenError(f"the worker took {self.peak_mib:.0f} MiB of {LIMIT_MIB}")


def hostile(bundles: Sequence[Bundle], rng: random.Random) -> Iterator[Sent]:
    """Yield orders without end: half of them to try a changed piece, half of them changed."""
    while True:
        bundle = rng.choice(bundles)
        if rng.random() < 0.5:
            piece = rng.choice(bundle.manifest.pieces)
            model = piece_mutation.mutate(bundle.piece(piece), rng)
            if model is not None:
                packed_bytes = len(pack(model))
                changes = {"bytes": len(model), "compressed_bytes": packed_bytes}
                piece = msgspec.structs.replace(piece, sha256=digest(model), **changes)
                order = trial_assignment(bundle.manifest, [piece], 1)
                yield Sent("piece", order, {piece.sha256: model})
        else:
            changed = order_mutation.mutate(whole(bundle), rng)
            if changed is not None:
                models = {piece.sha256: bundle.piece(piece) for piece in bundle.manifest.pieces}
                yield Sent("order", changed, models)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path, nargs="*", help="sound ones to begin with")
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgeseg-fuzz-") as name:
        made = made_bundle(Path(name) / "made.edgeseg", [sound_piece(), hungry_piece(2)])
        _attack([made, *map(Bundle, options.bundles)], options)


def _attack(bundles: Sequence[Bundle], options: argparse.Namespace) -> None:
    start = time.perf_counter()
    with Workers() as workers, Sockets() as sockets:
        sender = Sender(workers.start(limit=f"{LIMIT_MIB}MiB"), sockets)
        for sent in hostile(bundles, random.Random(options.seed)):
            sender.send(sent)
            seconds = time.perf_counter() - start
            if seconds > options.seconds or sender.outcomes.total() == options.count:
                break
    figures = {
        "orders": sender.outcomes.total(),
        "seconds": seconds,
        "slowest_s": sender.slowest,
        "worker_peak_mib": sender.peak_mib,
        **sender.outcomes,
    }
    table = figure_table(("figure",), ("",))
    for figure, value in figures.items():
        table.add_row(figure, f"{value:,.1f}" if isinstance(value, float) else str(value))
    console.print(table)
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
