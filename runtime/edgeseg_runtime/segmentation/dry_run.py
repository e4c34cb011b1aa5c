"""A dry run: the plan of segmenting a scan, how long it would take, and what it would write."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeseg.imaging.scan import Scan
from edgeseg.planning.view.report import PlanReport, report_of
from edgeseg.progress import Progress
from edgeseg_runtime.segmentation.checkpoint import checkpoint_key, checkpoint_path, slices_kept
from edgeseg_runtime.segmentation.segmenter import Segmenter
from edgeseg_runtime.segmentation.tiled_slices import scan_tiling


class SegmentDryRun(msgspec.Struct, frozen=True):
    """A run that was planned and not made.

    Attributes
    ----------
    slices, kept
        How many slices the scan has, and how many of them are done already.
    seconds
        What the others would take by the plan.
    writes
        The files that would be written, the mask first.
    plan
        Which board would run what.
    """

    slices: int
    kept: int
    seconds: float
    writes: tuple[str, ...]
    plan: PlanReport


def dry_run(
    segmenter: Segmenter, scan: Scan, writes: Sequence[Path], resume: bool, progress: Progress
) -> SegmentDryRun:
    """Plan a run; nothing is computed and nothing written.

    Parameters
    ----------
    segmenter
        Not entered.
    scan
        What would be segmented; its slices are read only if some are kept.
    writes
        What would be written, the mask first.
    resume
        Whether to go on from slices that are kept.
    progress
        Follows reading and planning.

    Raises
    ------
    EdgesegError
        As the run itself would before its first slice.
    """
    kept = 0
    if checkpoint_path(writes[0]).exists():
        with progress(None, "reading the scan"):
            key = checkpoint_key(segmenter.manifest, scan)
            kept = slices_kept(writes[0], key, resume=resume)
    with progress(None, "planning"):
        report = report_of(segmenter.manifest.model_name, *segmenter.plan())
    left = len(scan) - kept
    tiles = len(scan_tiling(scan, segmenter.manifest))
    seconds = left * tiles / report.slices_per_second + report.latency_seconds if left else 0.0
    return SegmentDryRun(len(scan), kept, seconds, tuple(map(str, writes)), report)
