"""What post-processing changed, rule by rule: nothing vanishes silently."""

from collections.abc import Sequence

import msgspec

from edgeseg.errors import field_name

KIDNEY_SIZED_ML = 30.0
"""A removed body of so much is said to be looked at: it may be an organ (Cheong et al. 2007 give
about 202 mL and 154 mL as normal kidneys of men and women; atrophic ones are far smaller)."""


class LargestRemoved(msgspec.Struct, frozen=True):
    """The largest body that a rule removed: its volume, and its first and last slice by name."""

    ml: float
    first_slice: str
    last_slice: str


class RuleOutcome(msgspec.Struct, frozen=True):
    """What one rule did.

    ``removed_ml`` and ``added_ml`` are what became background and what became a label;
    ``bodies`` and ``removed_bodies`` count before the rule; ``skipped`` says why it was left out.
    """

    rule: str
    labels: tuple[str, ...]
    removed_ml: float = 0.0
    added_ml: float = 0.0
    bodies: int = 0
    removed_bodies: int = 0
    largest_removed: LargestRemoved | None = None
    skipped: str | None = None


class PostprocessReport(msgspec.Struct, frozen=True):
    """All rules in their order, and remarks on what a reader should look at."""

    rules: tuple[RuleOutcome, ...] = ()
    remarks: tuple[str, ...] = ()


NOTHING_CHANGED = PostprocessReport()
"""Without any rule."""


def remarks_on(outcomes: Sequence[RuleOutcome]) -> tuple[str, ...]:
    """Return a line for each rule that removed a body as large as an organ, or was left out."""
    lines = []
    for outcome in outcomes:
        what = f"{outcome.rule} of {', '.join(outcome.labels)}" if outcome.labels else outcome.rule
        largest = outcome.largest_removed
        if outcome.skipped is not None:
            lines.append(f"post-processing left out {what}: {outcome.skipped}")
        elif largest is not None and largest.ml >= KIDNEY_SIZED_ML:
            lines.append(
                f"post-processing ({what}) removed a body of {largest.ml:.0f} mL, "
                f"{largest.first_slice} to {largest.last_slice}, as large as a kidney or a mass "
                "(transplant, low-lying or third kidney?); look there, or keep it with "
                f"{field_name('postprocess')} none"
            )
    return tuple(lines)
