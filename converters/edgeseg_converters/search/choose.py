"""Which of the bundles that were tried is taken: a pure function of their figures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from edgeseg_converters.compare.comparison import ComparedModel
from edgeseg_converters.compress.recipe import Recipe

PATIENCE = 3
"""Rungs in a row beyond the limit that end a search: stronger ones will hardly be better."""

_NOISE = 0.95
"""A measured figure must be below this share of another to count as less."""


class MeasuredRecipe(msgspec.Struct, frozen=True):
    """A recipe, the figures of the bundle that it gave, and what the compiler noted."""

    name: str
    recipe: Recipe
    entry: ComparedModel
    notes: tuple[str, ...] = ()

    @property
    def drop(self) -> float:
        """Dice lost: the model's minus the bundle's, mean over patients, of the worst region."""
        return max(
            -figures.difference for figures in self.entry.regions if figures.difference is not None
        )


class Verdict(msgspec.Struct, frozen=True):
    """What became of a trial.

    Attributes
    ----------
    kind
        ``chosen``; ``within`` the limit, but another is chosen; ``beyond`` the limit; or
        ``left out``, since its step gains nothing.
    than
        The milder trial that one left out gains nothing over.
    """

    kind: Literal["chosen", "within", "beyond", "left out"]
    than: str | None = None


def judge(trials: Sequence[MeasuredRecipe], limit: float, prefer: str) -> tuple[Verdict, ...]:
    """Give a verdict on each trial; at most one is chosen, none if all lose too much.

    A trial is left out unless it is less than every milder one within the limit, by more than
    measurements of times and memory are apart by themselves. So what is chosen is the last one
    that gained something.

    Parameters
    ----------
    trials
        From the mildest recipe to the strongest.
    limit
        Dice that may be lost.
    prefer
        What should be least: a key of :data:`FIGURES`.
    """
    verdicts: list[Verdict] = []
    best: MeasuredRecipe | None = None
    for trial in trials:
        if trial.drop > limit:
            verdicts.append(Verdict("beyond"))
        elif best is not None and not _less(trial, best, prefer):
            verdicts.append(Verdict("left out", best.name))
        else:
            verdicts.append(Verdict("within"))
            best = trial
    return tuple(
        Verdict("chosen") if trial is best else verdict
        for trial, verdict in zip(trials, verdicts, strict=True)
    )


def hopeless(trials: Sequence[MeasuredRecipe], limit: float) -> bool:
    """Say whether the last :data:`PATIENCE` trials all lose too much."""
    last = trials[-PATIENCE:]
    return len(last) == PATIENCE and all(trial.drop > limit for trial in last)


def _less(trial: MeasuredRecipe, other: MeasuredRecipe, prefer: str) -> bool:
    noise = 1.0 if prefer == "size" else _NOISE
    figure = FIGURES[prefer]
    return figure(trial.entry) < noise * figure(other.entry)


FIGURES: Mapping[str, Callable[[ComparedModel], float]] = {
    "size": lambda entry: entry.bytes,
    "latency": lambda entry: entry.ms_per_slice or 0.0,
    "memory": lambda entry: entry.peak_memory_bytes or 0,
}
"""What each preference looks at, the less the better."""
