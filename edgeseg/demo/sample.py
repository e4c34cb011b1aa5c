"""The sample CT: a real abdomen with kidneys outlined, and a DICOM series; downloaded once.

They come out of the source distribution of the PyPI package TotalSegmentator 2.18.0 (Apache-2.0),
through whatever index pip is set up for.
"""

import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeseg.bundle.bundle_file import digest
from edgeseg.errors import EdgesegError
from edgeseg.files.atomic import atomic_path
from edgeseg.files.cache import cache_folder
from edgeseg.files.ownership import scratch_folder
from edgeseg.progress import Progress, silent

PACKAGE = "totalsegmentator==2.18.0"
ARCHIVE_BYTES = 38_049_988
ARCHIVE_SHA256 = "5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03"
CT_SHA256 = "dbd3ae6d614d1d7ef3a46925c30c70038ed52da6b37fdd6afdc7b9b71387e3e1"
LABELS_SHA256 = "e8097758e56e73099075b6caaebce23ef11bc6fad66a4ec3753b9406846558c7"
KIDNEYS = (2, 3)
"""Values of the right and the left kidney in the sample's labels."""

_INSIDE = "totalsegmentator-2.18.0/tests/reference_files/"
_CT, _LABELS = "example_ct.nii.gz", "example_seg_fast_force_split.nii.gz"
_VOLUMES = {_CT: CT_SHA256, _LABELS: LABELS_SHA256}
_SERIES = "example_ct_dicom"
_SLICE = "CT.1.3.12.2.1107.5.1.4.60064.30000022120808113428000016"
_FIRST_SLICE = 573
_SLICES_SHA256 = (
    "4c5633409fa4d3edf6871e5684e9e1b10325b4d0949997582f43b23a684d0dc4",
    "9148f91127145497f4d6c6f0780f9452504cd7fe5088ec8f2bf2b21800c731ff",
    "3edaccec892e0821440cbefe3d5465923bb5146c316cbaf58f578d962f120484",
    "9b68685f0c5f9bfcfc2c397f4fadf431da288d7422ca72e7d9031d4e039418cd",
    "c8d2c0dc05e414d47d3652c658d8fecc20c3cf7ce106c10d84ad033d39700bcc",
    "0ee2c1d58e06cedd91483ca35c04da3c26fea0dbe88aaf1eaa950b57f38357d6",
    "c76cf0818d4215b92883d109b8a0b62ae0a4d81637eed98738f9c62b6f49bb72",
    "106e20514fd3ca66895e14dbfba96c01c1195e4ed890c035d4368dd71f3ee116",
    "5804e6c4a50f4d5b20040ac82a1c6d79cba5f7267d71f10b0a1b49eda1bc13ff",
    "bef219a16b22949224de4581a2d288863b2585d29556ac24021f03307378cb39",
    "9de5a49e880417d5330fe299115fdb95831a98234216a31c5c0e9a0be9a6dcd3",
    "fa00c8d81ec8aa0d0cfc4e05343782c3a75a4c60df8cccf9ff5db42ac454e61d",
    "ebba0900b0f728db0c94c769db3e5ca38a0cd916386a727541eb3e56350770e5",
    "f084ec95cfba25efb7cbe86e8b4966b051904037e8385f58fe398c5475693b89",
    "20a9b88a30ea8a824ac65cb19c1ebf80964b41ff476497706ff2a286e5f27a25",
    "2a515d3b60f3ff733aac1fc5414206c331e3ed2ccef8c2e0c30b844c538e3ed8",
    "5880669f1bc36b09cad4bdf487992ec415da0afa014e927efc282e612f467574",
    "7af4dd5b5766a87368939116b91f90d989820e7b2237fb9bcd10d47db0960875",
    "671306f4462ae881976c18c6a2d8a1567279fb0166ef0e9e8a41271fac9c1cbb",
    "fdb76ad5272f074e07cc81509604fd163f2f8a9903d34b16ba6f078250373c51",
)
_SLICES = {
    f"{_SERIES}/{_SLICE}{number}": sha256
    for number, sha256 in enumerate(_SLICES_SHA256, _FIRST_SLICE)
}
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Sample:
    """A CT in HU and a label volume of the same grid, made by TotalSegmentator."""

    ct: Path
    labels: Path


def sample(progress: Progress = silent) -> Sample:
    """Return the sample CT, fetching it if it is not there yet.

    Raises
    ------
    EdgesegError
        If it can't be fetched, or is not what it should be.
    """
    folder = _cached(_VOLUMES, progress)
    return Sample(folder / _CT, folder / _LABELS)


def sample_series(progress: Progress = silent) -> Path:
    """Return the folder of a CT series as DICOM (20 slices of 512x512 at the liver), fetched once.

    Raises
    ------
    EdgesegError
        If it can't be fetched, or is not what it should be.
    """
    return _cached(_SLICES, progress) / _SERIES


def _cached(sha256_of: Mapping[str, str], progress: Progress) -> Path:
    """Return the folder with these files; one download brings volumes and series."""
    folder = cache_folder("sample")
    files = {folder / name: sha256 for name, sha256 in sha256_of.items()}
    if not all(path.exists() and digest(path.read_bytes()) == sha for path, sha in files.items()):
        cache_folder(f"sample/{_SERIES}")
        with scratch_folder() as scratch:
            _extract(_download(scratch, progress), folder, _VOLUMES | _SLICES)
    return folder


def _download(scratch: Path, progress: Progress) -> Path:
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
        arrived_bytes = 0
        while fetch.poll() is None:
            time.sleep(_POLL_SECONDS)
            archive_bytes = max(arrived_bytes, _archive_bytes(scratch))
            advance((archive_bytes - arrived_bytes) / 1e6)
            arrived_bytes = archive_bytes
    _, complaints = fetch.communicate()
    archives = list(scratch.glob("*.tar.gz"))
    if fetch.returncode or not archives:
        reason = next((line for line in complaints.splitlines() if "ERROR" in line), complaints)
        raise EdgesegError(f"pip could not fetch {PACKAGE}: {reason.strip()}; check the network")
    if digest(archives[0].read_bytes()) != ARCHIVE_SHA256:
        raise EdgesegError(f"what pip fetched for {PACKAGE} does not match its SHA-256")
    return archives[0]


def _archive_bytes(scratch: Path) -> int:
    """Return the size of the unfinished archive; pip's folders come and go while it works."""
    try:
        return max((path.stat().st_size for path in scratch.glob("*/*.tar.gz")), default=0)
    except FileNotFoundError:
        return 0


def _extract(archive: Path, folder: Path, sha256_of: Mapping[str, str]) -> None:
    """Unpack files into the folder, each after its SHA-256 was checked."""
    with tarfile.open(archive) as members:
        for member in members:
            name = member.name.removeprefix(_INSIDE)
            content = members.extractfile(member) if name in sha256_of else None
            if content is None:
                continue
            data = content.read()
            if digest(data) != sha256_of[name]:
                raise EdgesegError(f"{name} in {PACKAGE} does not match its SHA-256")
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(data)
