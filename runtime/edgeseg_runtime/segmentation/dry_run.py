"""What ``edgeseg segment --dry-run`` tells: the plan, its time, and what it would write."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeseg.imaging.scan import Scan
from edgeseg.output.terminal import console, detail, emit_json, working
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.planning.view.report import PlanReport, report_of
from edgeseg.planning.view.tables import format_runs, plan_renderables
from edgeseg.text.units import format_seconds
from edgeseg_runtime.segmentation.checkpoint import checkpoint_path, run_of, slices_kept
from edgeseg_runtime.segmentation.segmenter import Segmenter


class SegmentDryRun(msgspec.Struct, frozen=True):
    """A run that was not made.

    Attributes
    ----------
    slices, kept
        Of the scan, and of them those that are done already.
    seconds
        What the others would take by the plan.
    writes
        The files that would be written.
    plan
        Which board would run what.
    """

    slices: int
    kept: int
    seconds: float
    writes: tuple[str, ...]
    plan: PlanReport


def rehearse(
    segmenter: Segmenter, scan: Scan, writes: Sequence[Path], resume: bool, as_json: bool
) -> None:
    """Plan a run and show it; nothing is computed and nothing written.

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
    as_json
        Print JSON instead of tables.

    Raises
    ------
    EdgesegError
        As the run itself would before its first slice.
    """
    kept = 0
    if checkpoint_path(writes[0]).exists():
        with working("reading the scan"):
            kept = slices_kept(writes[0], run_of(segmenter.manifest, scan), resume=resume)
    with working("planning"):
        report = report_of(segmenter.manifest.model_name, *segmenter.plan())
    left = len(scan) - kept
    seconds = left / report.slices_per_second + report.latency_seconds if left else 0.0
    made = SegmentDryRun(len(scan), kept, seconds, tuple(map(str, writes)), report)
    if as_json:
        emit_json(made)
    else:
        _show(made)


def tell_plan(problem: Problem, plan: Plan) -> None:
    """Tell somebody who asked for more where the pieces are, and why some boards have none."""
    order = [piece.name for piece in problem.pieces]
    for lane in plan.lanes:
        for board in lane.members:
            pieces = [name for name, at in lane.boards.items() if at == board]
            detail(f"{board} runs {format_runs(pieces, order)}, {lane.window} slices in flight")
    for board, reason in plan.left_out.items():
        detail(f"{board} is left out: {reason}")
    detail(f"placed by {plan.method}, limited by {plan.prediction.bottleneck}")


def _show(made: SegmentDryRun) -> None:
    console.print(*plan_renderables(made.plan), sep="\n")
    done = f", {made.kept} of them done before" if made.kept else ""
    takes = "less than a second" if made.seconds < 1 else f"about {format_seconds(made.seconds)}"
    console.print(f"{made.slices} slices{done} would take {takes}")
    for path in made.writes:
        console.print(f"would write {path}", markup=False, soft_wrap=True)
