"""Freed memory of a worker is used again, and returned to the system where it grows scarce."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

pytestmark = pytest.mark.worker

_CODE = """
import sys
import numpy as np
from msgspec.structs import replace
from manifests import chain_manifest
from edgeseg.inference.measure import resident_bytes
from edgeseg.inference.process_memory import reuse_freed_memory
from edgeseg.boards.placement import Lane, Placement
from edgeseg_runtime.board.memory.allocator import AllocatorPolicy
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.wire import Peer

MIB = 2**20
room, reserved, in_shifts = int(sys.argv[1]) * MIB, 24 * MIB, sys.argv[2] == "shifts"
reuse_freed_memory()
manifest = chain_manifest([1, 1])
names = tuple(piece.name for piece in manifest.pieces)
lane = Lane(dict.fromkeys(names, "a"), 3, tuple((name,) for name in names) if in_shifts else ())
peers = {"a": Peer("tcp://127.0.0.1:9")}
assignment = assignment_for("a", manifest, Placement((lane,), {}), 1, peers)
start = resident_bytes()
ledger = Ledger(start + room + reserved, start)
ledger.enter("slices", reserved)
policy = AllocatorPolicy(replace(assignment, reserved_bytes=reserved), ledger)
tensors = [np.ones(MIB, np.uint8) for _ in range(30)]
small = [bytes(1000) for _ in range(1000)]  # what keeps the heap from shrinking at its end
del tensors
policy.trim()
print((resident_bytes() - start) // MIB)
"""


@dataclass(frozen=True)
class _Case:
    """MiB beside what is entered, how it works, and the MiB that stay of 30 that were freed."""

    room: int
    mode: str
    stays: bool


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(_Case(24, "together", stays=True), id="room for gaps"),
        pytest.param(_Case(20, "together", stays=True), id="no room for all gaps, but for these"),
        pytest.param(_Case(10, "together", stays=False), id="another slice might not fit"),
        pytest.param(_Case(24, "shifts", stays=False), id="shifts leave nothing behind"),
    ],
)
def test_freed_memory_stays_while_there_is_room(case: _Case) -> None:
    process = subprocess.run(
        [sys.executable, "-c", _CODE, str(case.room), case.mode],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    assert (int(process.stdout) >= 29) == case.stays
    assert case.stays or int(process.stdout) <= 4
