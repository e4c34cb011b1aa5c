"""A plan for a bundle on the boards of a file, without any board at hand."""

from dataclasses import dataclass
from pathlib import Path

from edgeseg.boards.boards_file import read_boards
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest
from edgeseg.codecs.names import Wire
from edgeseg.planning.encoded_plan import plan_encoded
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.coded import coded_problem
from edgeseg.planning.problem.from_pieces import problem_of_file
from edgeseg.planning.problem.problem import Problem
from edgeseg.planning.view.report import PlanReport, report_of
from edgeseg.progress import Progress, silent


@dataclass(frozen=True)
class BundlePlan:
    """Where the pieces of a bundle should run.

    Attributes
    ----------
    manifest
        That of the bundle.
    problem
        What was planned for: pieces, boards, and links.
    plan
        The placement, and what it is predicted to reach.
    """

    manifest: Manifest
    problem: Problem
    plan: Plan

    @property
    def coded(self) -> Problem:
        """The problem with what the plan's codecs save and cost."""
        return coded_problem(self.problem, self.plan.lanes)

    @property
    def report(self) -> PlanReport:
        """Boards, lanes and figures, as ``edgeseg plan --json`` prints them."""
        return report_of(self.manifest.model_name, self.problem, self.plan)


def plan_bundle(  # noqa: PLR0913 - one keyword a choice
    bundle: Path | str,
    boards: Path | str,
    objective: Objective = "throughput",
    time_limit: float = 4.0,
    progress: Progress = silent,
    *,
    wire: Wire = "auto",
) -> BundlePlan:
    """Plan where the pieces of a bundle should run, without any board at hand.

    Parameters
    ----------
    bundle
        A ``.edgeseg`` file.
    boards
        A TOML file that lists the boards, their memory and links.
    objective
        Most slices a second, the soonest slice, or the smallest largest memory of a board.
    time_limit
        Seconds to look for something better than heuristics find.
    progress
        Is told that planning goes on.
    wire
        How tensors pass between boards: ``auto``, ``none``, or a codec for all.

    Raises
    ------
    BundleError
        If the bundle can't be read.
    UsageError
        If the boards file can't be read.
    PlacementError
        If the pieces don't fit the boards; the message says which piece.
    """
    manifest = Bundle(Path(bundle)).manifest
    file = read_boards(Path(boards))
    seconds = {entry.name: entry.seconds(manifest.pieces) for entry in file.board}
    problem = problem_of_file(
        file, manifest.pieces, seconds, manifest.preprocessing, manifest.wire_ratios
    )
    with progress(None, "planning"):
        plan = plan_encoded(problem, objective, time_limit, wire)
    return BundlePlan(manifest, problem, plan)
