"""The tasks of a study and their outcomes: a record of each finished volume, or a failure."""

import hashlib
from pathlib import Path
from typing import TypeAlias

import msgspec

from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.planning.outcome.objective import Objective
from edgeseg_runtime.results.statistics import Statistics


class StudySettings(msgspec.Struct, frozen=True):
    """What all volumes of a study are segmented with; paths are the same on every machine."""

    bundle: str
    manifest_sha256: str
    objective: Objective
    patience: float
    key: str | None


class VolumeTask(msgspec.Struct, frozen=True):
    """One task: a volume by path, and the folder where its files go."""

    settings: StudySettings
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

    ``at`` is the address of the Dask worker whose boards failed; None where the volume failed.
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
    """Return a digest of names, sizes and times of a scan's files, which changes when it does."""
    files = sorted(filter(Path.is_file, path.rglob("*"))) if path.is_dir() else [path]
    content = hashlib.sha256()
    for file in files:
        status = file.stat()
        content.update(f"{file.relative_to(path)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return content.hexdigest()


def finished_record(task: VolumeTask) -> Record | None:
    """Return the record of a volume if its mask exists, of this bundle and of this scan."""
    folder = Path(task.folder)
    try:
        content = record_path(folder, task.volume).read_bytes()
        record = msgspec.json.decode(content, type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    identity = (task.settings.manifest_sha256, task.scan_identity)
    up_to_date = identity == (record.manifest_sha256, record.scan_identity)
    return record if up_to_date and (folder / Path(record.mask).name).exists() else None
