"""What is known of each volume of a study: what was asked, what was found, what failed."""

import hashlib
from pathlib import Path
from typing import TypeAlias

import msgspec

from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.planning.outcome.objective import Objective
from edgeseg_runtime.results.statistics import Statistics


class StudySettings(msgspec.Struct, frozen=True):
    """What all volumes of a study are segmented with; paths hold on every worker's machine."""

    bundle: str
    manifest_sha256: str
    objective: Objective
    patience: float
    key: str | None


class VolumeTask(msgspec.Struct, frozen=True):
    """One task: a volume by path, and the folder where its files go."""

    setup: StudySettings
    volume: str
    scan: str
    scan_identity: str
    folder: str


class Record(msgspec.Struct, frozen=True):
    """A finished volume: what ``NAME.json`` says beside the mask.

    ``manifest_sha256`` and ``scan_identity`` tell whether it is still up to date.
    """

    volume: str
    mask: str
    seconds: float
    statistics: Statistics
    warning: str | None
    edgeseg: str
    model: str
    manifest_sha256: str
    scan_identity: str
    note: str = RESEARCH_NOTE


class Failure(msgspec.Struct, frozen=True):
    """A volume without a mask, and why.

    Where boards failed, not the volume, ``at`` is the Dask worker that had them.
    """

    volume: str
    error: str
    at: str | None = None


VolumeOutcome: TypeAlias = Record | Failure


def record_path(folder: Path, volume: str) -> Path:
    """Return where the record of a volume is."""
    return folder / f"{volume}.json"


def picture_path(folder: Path, volume: str) -> Path:
    """Return where the picture of a volume is."""
    return folder / f"{volume}.jpg"


def identity_of(path: Path) -> str:
    """Return what changes when a scan does: a digest of names, sizes and times of its files."""
    files = sorted(filter(Path.is_file, path.rglob("*"))) if path.is_dir() else [path]
    content = hashlib.sha256()
    for file in files:
        seen = file.stat()
        content.update(f"{file.relative_to(path)} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return content.hexdigest()


def finished(order: VolumeTask) -> Record | None:
    """Return the record of a volume if it is done: mask there, bundle and scan still the same."""
    folder = Path(order.folder)
    try:
        content = record_path(folder, order.volume).read_bytes()
        record = msgspec.json.decode(content, type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    known = (order.setup.manifest_sha256, order.scan_identity)
    up_to_date = known == (record.manifest_sha256, record.scan_identity)
    return record if up_to_date and (folder / Path(record.mask).name).exists() else None
