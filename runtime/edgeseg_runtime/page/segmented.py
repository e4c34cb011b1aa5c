"""Writes the HTML page of a segmented scan."""

from pathlib import Path

from edgeseg.bundle.manifest import Manifest
from edgeseg.imaging.scan import Scan
from edgeseg.output.html import write_page
from edgeseg_runtime.page.run_timeline import (
    lane_timeline,
    largest_memory,
    longest_busy,
    mean_times,
)
from edgeseg_runtime.page.viewer import read_viewer
from edgeseg_runtime.page.voxels import PageVoxels, browser_voxels
from edgeseg_runtime.results.preview import SOFT_TISSUE
from edgeseg_runtime.results.statistics import Statistics
from edgeseg_runtime.segmentation.segmenter import Segmentation, Segmenter

_PRESETS = {
    "soft tissue": SOFT_TISSUE,
    "kidney, late phase": (-80, 320),
    "bone": (-500, 1300),
    "lung": (-1350, 150),
}
"""Windows that CT is read in, lowest and highest HU."""


def write_segmented(
    path: Path,
    scan: Scan,
    segmentation: Segmentation,
    statistics: Statistics,
    segmenter: Segmenter,
) -> None:
    """Write a scan, its masks and the report of the run as one page that needs no other file.

    The page names no file and no patient.

    Parameters
    ----------
    path
        Where to write.
    scan, segmentation, statistics
        The scan, its masks with the report of the run, and what they measure.
    segmenter
        Has segmented it; has the labels with their colours, the model's window, and the plan.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    UsageError
        If the extra is not installed.
    """
    voxels = browser_voxels(scan, segmentation.masks)
    report, manifest = segmentation.report, segmenter.manifest
    write_page(
        path,
        "edgeseg_runtime.page",
        "segmented.html",
        model=manifest.model_name,
        statistics=statistics,
        scan=scan,
        spacing=None if scan.affine is None else voxels.spacing,
        voxels=voxels,
        setup=_setup(scan, voxels, manifest),
        viewer=read_viewer(),
        labels=tuple(zip(manifest.labels, statistics.labels, strict=True)),
        report=report,
        order=tuple(report.lanes[0].pieces),
        times=mean_times(report),
        most_memory=largest_memory(report.boards),
        most_busy=longest_busy(report),
        course=lane_timeline(*segmenter.planned),
    )


def _setup(scan: Scan, voxels: PageVoxels, manifest: Manifest) -> dict[str, object]:
    """Return what the viewer's script needs."""
    windows = {} if scan.windowed else {"model": manifest.preprocessing.window, **_PRESETS}
    return {
        "labels": [{"value": label.value, "color": label.color} for label in manifest.labels],
        "shape": voxels.image.shape,
        "spacing": voxels.spacing,
        "numbers": voxels.numbers,
        "total": len(scan),
        "planes": scan.affine is not None,
        "windows": windows,
        "window": (0, 255) if scan.windowed else _PRESETS["soft tissue"],
        "start": _fullest(voxels),
    }


def _fullest(voxels: PageVoxels) -> tuple[int, int, int]:
    """Return the voxel to start at: amid the labels, in the slice with the largest area of them."""
    areas = (voxels.mask > 0).sum(axis=(0, 1))
    if not areas.any():
        x, y, z = (extent // 2 for extent in voxels.mask.shape)
        return x, y, z
    z = int(areas.argmax())
    columns, rows = voxels.mask[:, :, z].nonzero()
    return int(columns[columns.size // 2]), int(rows[columns.size // 2]), z
