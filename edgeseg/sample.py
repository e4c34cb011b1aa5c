"""The sample CT: a real abdomen with kidneys outlined, fetched once, checked, and kept.

It comes out of the source distribution of the PyPI package TotalSegmentator 2.18.0 (Apache-2.0),
through whatever index pip is set up for.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from edgeseg.bundle import digest
from edgeseg.cache import cache_folder
from edgeseg.errors import EdgesegError
from edgeseg.files import atomic_path
from edgeseg.terminal import progress

PACKAGE = "totalsegmentator==2.18.0"
ARCHIVE_BYTES = 38_049_988
ARCHIVE_SHA256 = "5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03"
CT_SHA256 = "dbd3ae6d614d1d7ef3a46925c30c70038ed52da6b37fdd6afdc7b9b71387e3e1"
LABELS_SHA256 = "e8097758e56e73099075b6caaebce23ef11bc6fad66a4ec3753b9406846558c7"
KIDNEYS = (2, 3)
"""Values of the right and the left kidney in the sample's labels."""

_INSIDE = "totalsegmentator-2.18.0/tests/reference_files"
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Sample:
    """A CT in HU and a label volume of the same grid, made by TotalSegmentator."""

    ct: Path
    labels: Path


def sample() -> Sample:
    """Return the sample CT, fetching it if it is not there yet.

    Raises
    ------
    EdgesegError
        If it can't be fetched, or is not what it should be.
    """
    folder = cache_folder("sample")
    files = {
        folder / "example_ct.nii.gz": CT_SHA256,
        folder / "example_seg_fast_force_split.nii.gz": LABELS_SHA256,
    }
    if not all(path.exists() and digest(path.read_bytes()) == sha for path, sha in files.items()):
        with tempfile.TemporaryDirectory() as scratch:
            archive = _download(Path(scratch))
            for path, sha256 in files.items():
                _extract(archive, path, sha256)
    return Sample(*files)


def _download(scratch: Path) -> Path:
    """Let pip fetch the archive, watching it grow."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", ":all:", "--dest", str(scratch), PACKAGE]
    fetch = subprocess.Popen(
        command,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with progress(ARCHIVE_BYTES / 1e6, "fetching the sample CT", unit="MB") as advance:
        seen = 0
        while fetch.poll() is None:
            time.sleep(_POLL_SECONDS)
            arrived = max(seen, _arrived(scratch))
            advance((arrived - seen) / 1e6)
            seen = arrived
    _, complaints = fetch.communicate()
    archives = list(scratch.glob("*.tar.gz"))
    if fetch.returncode or not archives:
        reason = next((line for line in complaints.splitlines() if "ERROR" in line), complaints)
        raise EdgesegError(f"pip could not fetch {PACKAGE}: {reason.strip()}; check the network")
    if digest(archives[0].read_bytes()) != ARCHIVE_SHA256:
        raise EdgesegError(f"what pip fetched for {PACKAGE} does not match its SHA-256")
    return archives[0]


def _arrived(scratch: Path) -> int:
    """Bytes of the archive that pip has so far; its folders come and go while it works."""
    try:
        return max((path.stat().st_size for path in scratch.glob("*/*.tar.gz")), default=0)
    except FileNotFoundError:
        return 0


def _extract(archive: Path, target: Path, sha256: str) -> None:
    with tarfile.open(archive) as members:
        member = members.extractfile(f"{_INSIDE}/{target.name}")
        content = member.read() if member else b""
    if digest(content) != sha256:
        raise EdgesegError(f"{target.name} in {PACKAGE} does not match its SHA-256")
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
