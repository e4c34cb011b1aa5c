"""What becomes of volumes in a study, for tests that run none."""

from pathlib import Path

from edgeseg_runtime.results.statistics import LabelStatistics, Statistics
from edgeseg_runtime.study.record import Record, StudySettings, VolumeTask

SETTINGS = StudySettings("/b.edgeseg", "b" * 64, "throughput", 60.0, None)


def task(folder: Path, volume: str = "a", identity: str = "1") -> VolumeTask:
    """Return the task of a volume."""
    return VolumeTask(SETTINGS, volume, f"/scans/{volume}.nii", identity, str(folder))


def label(name: str, value: int, ml: float | None, *, edge: bool = False) -> LabelStatistics:
    """Return what was found of a label: nothing, if that is 0 mL."""
    voxels = 0 if ml == 0 else 1234
    mm3 = None if ml is None else 1000 * ml
    return LabelStatistics(value, name, voxels, mm3, ml, None, None, None, None, edge)


def record(*labels: LabelStatistics, volume: str = "a", warning: str | None = None) -> Record:
    """Return the record of a finished volume."""
    return Record(
        volume=volume,
        mask=f"{volume}.nii.gz",
        seconds=1.26,
        statistics=Statistics("", 7, labels),
        warning=warning,
        edgeseg="0",
        model="m",
        manifest_sha256=SETTINGS.manifest_sha256,
        scan_identity="1",
    )
