"""Where pieces go: state a problem, plan for it, and report on the plan, without any board.

The names below are for users; the modules are internal. :func:`problem_of` and
:func:`problem_of_file` state a :class:`Problem`, :func:`plan` and :func:`plan_or_time_share`
return a :class:`Plan` with its :class:`Prediction`, and :func:`report_of` makes it a
:class:`PlanReport`. :func:`plan_bundle` does all of it for a bundle and a boards file.
"""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports

if TYPE_CHECKING:
    from edgeseg.planning.bundle_plan import BundlePlan, plan_bundle
    from edgeseg.planning.outcome.objective import Objective
    from edgeseg.planning.outcome.prediction import Prediction
    from edgeseg.planning.planner import Plan, plan
    from edgeseg.planning.problem.from_pieces import problem_of, problem_of_file
    from edgeseg.planning.problem.problem import Problem
    from edgeseg.planning.time_shared_plan import plan_or_time_share
    from edgeseg.planning.view.report import PlanReport, report_of

__all__ = [
    "BundlePlan",
    "Objective",
    "Plan",
    "PlanReport",
    "Prediction",
    "Problem",
    "plan",
    "plan_bundle",
    "plan_or_time_share",
    "problem_of",
    "problem_of_file",
    "report_of",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "BundlePlan": "bundle_plan",
        "Objective": "outcome.objective",
        "Plan": "planner",
        "PlanReport": "view.report",
        "Prediction": "outcome.prediction",
        "Problem": "problem.problem",
        "plan": "planner",
        "plan_bundle": "bundle_plan",
        "plan_or_time_share": "time_shared_plan",
        "problem_of": "problem.from_pieces",
        "problem_of_file": "problem.from_pieces",
        "report_of": "view.report",
    },
)


def __dir__() -> list[str]:
    return __all__
