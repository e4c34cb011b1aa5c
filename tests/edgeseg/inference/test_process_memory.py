"""Memory that is freed is there for what comes next, or leaves the process at once."""

import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.inference.measure import resident_bytes
from edgeseg.inference.process_memory import release_pages

_CODE = """
import sys, numpy as np
from edgeseg.inference import process_memory
from edgeseg.inference.measure import resident_bytes
process_memory.reuse_freed_memory()
getattr(process_memory, sys.argv[1])()
np.ones(2**20, np.uint8)
start = resident_bytes()
blocks = [np.ones(2**20, np.uint8) for _ in range(40)]
small = [bytes(1000) for _ in range(1000)]
held = resident_bytes() - start
del blocks
freed = resident_bytes() - start
process_memory.give_back_freed_memory()
print(held >> 20, freed >> 20, (resident_bytes() - start) >> 20)
"""


@pytest.mark.parametrize(
    ("mode", "kept"), [("reuse_freed_memory", True), ("return_freed_memory", False)]
)
def test_freed_tensors_stay_for_the_next_or_leave(mode: str, kept: bool) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _CODE, mode], capture_output=True, check=True, text=True
    )
    held, freed, given_back = map(int, ran.stdout.split())
    assert held >= 39
    assert (freed >= 39) == kept
    assert given_back <= 3


@pytest.mark.parametrize("replaced", [False, True])
def test_pages_of_a_file_are_given_back_even_if_another_took_its_place(
    tmp_path: Path, replaced: bool
) -> None:
    """Two workers of one machine that get the same piece at once put it there twice."""
    size, path = 32 * 2**20, tmp_path / "piece.tflite"
    path.write_bytes(b"x" * size)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[:: mmap.PAGESIZE].count(b"x") == size // mmap.PAGESIZE
        if replaced:
            (tmp_path / "again").write_bytes(b"x" * size)
            (tmp_path / "again").rename(path)
        held = resident_bytes()
        release_pages(path)
        assert held - resident_bytes() > size // 2
        assert mapped[-1:] == b"x"
