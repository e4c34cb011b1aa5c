"""Reads scans in processes of their own, whose memory is measured."""

import resource
import subprocess
import sys
from pathlib import Path

_READ = """
import resource, sys
from pathlib import Path
from edgeseg.errors import EdgesegError
from edgeseg.imaging.formats import read_scan
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(len(read_scan(Path(sys.argv[1]))))
except EdgesegError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def read_in_a_process(path: Path, limit: int | None = None) -> tuple[str, int]:
    """Read a scan in a process of its own, perhaps of limited memory.

    Returns
    -------
    str, int
        What it says, the number of slices or an error, and by how many MiB it grew.
    """

    def tighten() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    command = [sys.executable, "-c", _READ, str(path)]
    ran = subprocess.run(
        command, capture_output=True, check=True, text=True, preexec_fn=tighten, timeout=100
    )
    said, grown = ran.stdout.splitlines()
    return said, int(grown)
