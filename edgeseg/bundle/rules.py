"""Rules of three-dimensional post-processing, as a manifest and a TOML file state them.

All extents are in millimetres and millilitres, so that a rule means the same on a scan of other
spacing. A rule names labels; several together are one region, whose voxels form bodies (connected
components).
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias, get_args

import msgspec

LabelName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
LabelNames: TypeAlias = Annotated[tuple[LabelName, ...], msgspec.Meta(min_length=1, max_length=255)]
"""Labels whose union a rule looks at."""

Millimetres: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1000)]
PositiveMillimetres: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Millilitres: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e5)]


class _Rule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", omit_defaults=True
):
    """What all rules share: how they are written."""


class Smooth(_Rule, frozen=True, tag="smooth"):
    """Smooth probabilities along the slices by a Gaussian, before labels are decided.

    It can only be the first rule.
    """

    sigma_mm: PositiveMillimetres

    @property
    def labels(self) -> tuple[str, ...]:
        """None: it acts on the probabilities of all."""
        return ()


class Bridge(_Rule, frozen=True, tag="bridge"):
    """Fill gaps along the slices, of at most ``gap_mm``, with the label at their upper end."""

    labels: LabelNames
    gap_mm: PositiveMillimetres


class FillHoles(_Rule, frozen=True, tag="fill-holes"):
    """Fill holes of a slice, of at most ``area_mm2``, with the first of the labels."""

    labels: LabelNames
    area_mm2: Annotated[float, msgspec.Meta(gt=0, le=1e6)]


class KeepLargest(_Rule, frozen=True, tag="keep-largest"):
    """Keep the largest bodies of a region, ranked by the volume of ``ranked_by`` in them.

    A body without a voxel of ``ranked_by`` (by default the region itself) is not kept, nor one that
    has less of it than ``least_share`` of the largest.
    """

    labels: LabelNames
    bodies: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    ranked_by: tuple[LabelName, ...] = ()
    least_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class LeastVolume(_Rule, frozen=True, tag="least-volume"):
    """Remove bodies of less than ``volume_ml``."""

    labels: LabelNames
    volume_ml: Millilitres


class JoinedTo(_Rule, frozen=True, tag="joined-to"):
    """Remove bodies that touch none of ``others`` and have none within ``within_mm``."""

    labels: LabelNames
    others: LabelNames
    within_mm: Millimetres = 0.0


Rule: TypeAlias = Smooth | Bridge | FillHoles | KeepLargest | LeastVolume | JoinedTo
Rules: TypeAlias = Annotated[tuple[Rule, ...], msgspec.Meta(max_length=64)]
"""Applied in this order."""

RULE_NAMES = tuple(sorted(kind.__struct_config__.tag for kind in get_args(Rule)))
"""As files spell them."""


def labels_named(rule: Rule) -> tuple[str, ...]:
    """Return every label that a rule names."""
    names: tuple[str, ...] = ()
    for field in ("labels", "ranked_by", "others"):
        names += getattr(rule, field, ())
    return names


def smoothing_misplaced(rules: Sequence[Rule]) -> bool:
    """Tell whether a rule smooths probabilities behind one that works on labels."""
    return any(isinstance(rule, Smooth) for rule in rules[1:])


def rule_name(rule: Rule) -> str:
    """Return the kind of a rule as files spell it."""
    return str(rule.__struct_config__.tag)


def describe(rule: Rule) -> str:
    """Return a rule in a few words: its kind, its labels, its values."""
    words = []
    for key, value in msgspec.structs.asdict(rule).items():
        text = ", ".join(value) if isinstance(value, tuple) else f"{value:g}"
        words += [f"{key} {text}"] if value else []
    return f"{rule_name(rule)} ({'; '.join(words)})"
