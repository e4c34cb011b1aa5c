"""The report of a run, gathered from its plan, its journal and its boards."""

import math
from dataclasses import dataclass, replace

from edgeseg import __version__
from edgeseg.bundle.manifest import Manifest
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.coordination.run import FailoverRun
from edgeseg_runtime.results.run_report import (
    RunReport,
    board_reports,
    lane_reports,
    piece_reports,
    planned_work,
)


@dataclass(frozen=True)
class RunOutcome:
    """What was counted while a scan was segmented.

    Attributes
    ----------
    slices, segmented
        How many slices the scan has, and how many were not done before the run.
    seconds
        From the start to the last mask.
    received_bytes
        What came back from the boards.
    tiles
        How many inferences a slice took.
    """

    slices: int
    segmented: int
    seconds: float
    received_bytes: int
    tiles: int = 1


def report_run(
    manifest: Manifest, coordinator: Coordinator, run: FailoverRun, outcome: RunOutcome
) -> RunReport:
    """Return the report of a run that has come to its end.

    Parameters
    ----------
    manifest
        The bundle's.
    coordinator
        Connected to the boards.
    run
        Its last plan, and its journal.
    outcome
        What was counted.
    """
    plan, journal = run.plan, run.journal
    left_out = {**plan.left_out, **coordinator.fleet.absent}
    boards = board_reports(
        coordinator.boards,
        replace(plan.placement, left_out=left_out),
        planned_work(run.problem, plan.prediction, outcome.segmented * outcome.tiles),
        journal.work,
        coordinator.versions(),
    )
    return RunReport(
        edgeseg=__version__,
        model=manifest.model_name,
        model_sha256=manifest.model_sha256,
        slices=outcome.slices,
        seconds=outcome.seconds,
        slices_per_second=outcome.segmented / outcome.seconds if outcome.segmented else 0.0,
        planned_slices_per_second=plan.prediction.rate / outcome.tiles,
        planned_from_estimates=run.problem.estimated,
        wire_bytes=outcome.received_bytes + sum(board.received_bytes for board in boards),
        boards=boards,
        lanes=lane_reports(run.problem, plan),
        pieces=piece_reports(journal.work),
        epochs=journal.epochs,
        losses=tuple(journal.losses),
        replayed_slices=math.ceil(journal.replayed / outcome.tiles),
        resumed_slices=outcome.slices - outcome.segmented,
        tiles=outcome.tiles,
    )
