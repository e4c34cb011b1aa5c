"""Mutated bundles: each is read, or refused by an error of edgeseg's own; none takes much.

``python tests/fuzz/bundles.py`` tries a hundred thousand, guided by coverage where atheris is
installed and at random elsewhere (with tests/support on the path).
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

# Whose branches are to be found must be imported here first.
with atheris.instrument_imports(include=["edgeseg", "zipfile"]) if atheris else nullcontext():
    from edgeseg.bundle.bundle_file import Bundle
    from edgeseg.bundle.signature import signer
    from edgeseg.errors import EdgesegError

import mutation

from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import console, figure_table, progress

MAX_SECONDS = 2.0
MAX_GROWTH_KIB = 512 * 1024
"""The fuzzer keeps what it found, and counts what ran: that is a part of it."""


class Reader:
    """Reads one bundle after the other and notes how that went."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._path = folder / "mutated.edgeseg"
        self._start = time.perf_counter()
        self._first = _peak_kib()
        self._slowest = 0.0
        self._outcomes: Counter[str] = Counter()

    def read(self, data: bytes) -> None:
        """Read a bundle as everybody does who is given one."""
        self._path.write_bytes(data)
        start = time.perf_counter()
        try:
            bundle = Bundle(self._path)
            bundle.check()
            signer(bundle)
            bundle.verify()
            outcome = "read"
        except EdgesegError as error:
            outcome = type(error).__name__
        seconds = time.perf_counter() - start
        self._slowest = max(self._slowest, seconds)
        self._outcomes[outcome] += 1
        if seconds > MAX_SECONDS:
            raise TimeoutError(f"a bundle of {len(data)} bytes took {seconds:.1f} s")
        if self.done:
            self._finish()

    @property
    def done(self) -> bool:
        """Whether so many have been read as was asked for."""
        return self._outcomes.total() >= self._options.count

    def _finish(self) -> None:
        growth = _peak_kib() - self._first
        if growth > MAX_GROWTH_KIB:
            raise MemoryError(f"reading took {growth} KiB")
        figures = {
            "bundles": self._outcomes.total(),
            "seconds": time.perf_counter() - self._start,
            "slowest_ms": self._slowest * 1e3,
            "growth_mib": growth / 1024,
            "guided": bool(atheris and not self._options.random),
            **self._outcomes,
        }
        table = figure_table(("figure",), ("",))
        for name, figure in figures.items():
            table.add_row(name, f"{figure:,.1f}" if isinstance(figure, float) else str(figure))
        console.print(table)
        if self._options.json:
            with atomic_path(self._options.json) as path:
                path.write_text(json.dumps(figures, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--random", action="store_true", help="not guided, even with atheris")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgeseg-fuzz-") as name:
        reader = Reader(options, Path(name))
        if atheris and not options.random:
            _guided(reader, options, Path(name))
        else:
            _at_random(reader, options, Path(name))


def _at_random(reader: Reader, options: argparse.Namespace, folder: Path) -> None:
    rng, pool = random.Random(options.seed), mutation.seeds(folder)
    with progress(options.count, "bundles", unit="bundles") as advance:
        while not reader.done:
            data = mutation.mutate(rng.choice(pool), rng, mutation.flip)
            reader.read(data)
            # Changes add up, so that some bundles are far from any sound one.
            if rng.random() < 0.05:
                pool = [*mutation.seeds(folder), *pool[-50:], data]
            advance()


def _guided(reader: Reader, options: argparse.Namespace, folder: Path) -> None:
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(mutation.seeds(folder)):
        (corpus / str(number)).write_bytes(data)

    def basic(data: bytes, _: random.Random) -> bytes:
        return bytes(atheris.Mutate(data, len(data) + 64))

    def change(data: bytes, max_bytes: int, seed: int) -> bytes:
        return mutation.mutate(data, random.Random(seed), basic)[:max_bytes]

    def run_one(data: bytes) -> None:
        reader.read(data)
        if reader.done:
            # The fuzzer has no other way to say that it is enough.
            sys.stdout.flush()
            os._exit(0)

    flags = [f"-seed={options.seed}", "-max_len=65536", "-rss_limit_mb=2000", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], run_one, custom_mutator=change)
    atheris.Fuzz()


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
