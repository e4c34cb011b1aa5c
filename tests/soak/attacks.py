"""Strangers at a worker of little memory: ``attacks.py [--seconds N]`` for each attack.

Prints by how much the peak of the worker's memory grew, and how long its coordinator waited.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from keyrings import Keyring
from processes import Workers
from strangers import (
    endless_parts,
    huge_frames,
    idle_connections,
    many_parts_with_keys,
    withstood,
)
from talking import Sockets, greet

from edgeseg.output.terminal import console, figure_table
from edgeseg.text.units import MIB, format_bytes
from edgeseg_runtime.messaging.keys import KeyPair

MAX_GROWTH_BYTES = 160 * MIB
"""For parts of a byte, each of which takes 64; all else stays far below."""
MAX_ANSWER_SECONDS = 2.0
_IDLE = 9_000
_LIMIT = "160MiB"


@dataclass(frozen=True)
class Target:
    """Whom an attack is aimed at, and for how long; with the keys of somebody it knows."""

    endpoint: str
    seconds: float
    peer: KeyPair
    worker_key: str

    def huge(self, count: int, size: int, *, keyed: bool) -> None:
        """Announce and send frames that are larger than any message."""
        huge_frames(self.endpoint, self.seconds, keyed=keyed, count=count, size=size)

    def endless(self, count: int, *, tiny: bool) -> None:
        """Send messages that never end."""
        endless_parts(self.endpoint, self.seconds, count=count, tiny=tiny)

    def many_parts(self, *, tiny: bool) -> None:
        """Send messages of many parts with a key."""
        many_parts_with_keys(self.endpoint, self.seconds, self.peer, self.worker_key, tiny=tiny)

    def idle(self) -> None:
        """Open connections and say nothing."""
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline:
            with idle_connections(self.endpoint, _IDLE):
                time.sleep(1)


ATTACKS: dict[str, tuple[bool, Callable[[Target], None]]] = {
    "150 MiB before the handshake": (True, lambda to: to.huge(1, 150 * MIB, keyed=True)),
    "the same, 8 strangers": (True, lambda to: to.huge(8, 150 * MIB, keyed=True)),
    "250 kB before it, 100 strangers": (True, lambda to: to.huge(100, 250_000, keyed=True)),
    "150 MiB without keys, 8 strangers": (False, lambda to: to.huge(8, 150 * MIB, keyed=False)),
    "parts of 64 KiB without end": (False, lambda to: to.endless(1, tiny=False)),
    "parts of a byte without end": (False, lambda to: to.endless(1, tiny=True)),
    "the same, 60 strangers": (False, lambda to: to.endless(60, tiny=True)),
    "4,000 parts of 64 KiB, with a key": (True, lambda to: to.many_parts(tiny=False)),
    "500,000 parts of a byte, with a key": (True, lambda to: to.many_parts(tiny=True)),
    f"{_IDLE:,} idle connections": (True, lambda to: to.idle()),
}
"""By name, whether the worker has keys, and what is done."""


def attack(name: str, seconds: float) -> tuple[int, float]:
    """Return the growth of the worker's peak in bytes, and the longest wait for an answer."""
    keyed, work = ATTACKS[name]
    with Workers() as workers, Sockets() as sockets, tempfile.TemporaryDirectory() as folder:
        keyring = Keyring(Path(folder))
        key, peer = keyring.board("a"), keyring.board("peer")
        keyring.authorize("peer")
        worker = workers.start("--quiet", *(keyring.flags("a") if keyed else ()), limit=_LIMIT)
        keys = (keyring.coordinator, key.public) if keyed else (None, None)
        link = sockets.link(worker.endpoint, *keys)
        greet(link)
        target = Target(worker.endpoint, seconds, peer, key.public)
        return withstood(worker, link, partial(work, target))


def main(words: Sequence[str] | None = None) -> int:
    """Run all and print; 1 if memory grew much, or an answer was long in coming."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    options = parser.parse_args(words)
    table = figure_table(("attack",), ("memory grew by", "longest wait"))
    sound = True
    for name in ATTACKS:
        growth, slowest = attack(name, options.seconds)
        table.add_row(name, format_bytes(growth), f"{slowest:.2f} s")
        sound &= growth < MAX_GROWTH_BYTES and slowest < MAX_ANSWER_SECONDS
    console.print(table)
    return int(not sound)


if __name__ == "__main__":
    sys.exit(main())
