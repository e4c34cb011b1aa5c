"""Applies rules to the masks of a scan, in their order."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Label
from edgeseg.bundle.rules import (
    Bridge,
    FillHoles,
    JoinedTo,
    KeepLargest,
    LeastVolume,
    Rule,
    Smooth,
    rule_name,
)
from edgeseg.imaging.slices import Mask
from edgeseg.postprocess.bodies import Bodies, find_bodies, without_bodies
from edgeseg.postprocess.gaps import bridge_gaps
from edgeseg.postprocess.holes import fill_holes
from edgeseg.postprocess.neighbours import joined_bodies
from edgeseg.postprocess.report import (
    LargestRemoved,
    PostprocessReport,
    RuleOutcome,
    remarks_on,
)
from edgeseg.postprocess.voxel_size import VoxelSize

SmoothedMasks: TypeAlias = Callable[[float], list[Mask]]
"""Makes the masks of probabilities smoothed with a Gaussian of so many slices."""

_SINGLE = "a rule in three dimensions, and the scan is a single slice"
_NO_PROBABILITIES = "it needs probabilities, and there are masks alone"
_UNKNOWN = "the scan does not say how large its voxels are"


def postprocess(  # noqa: PLR0913, PLR0917 - all that rules may need
    masks: Sequence[Mask],
    rules: Sequence[Rule],
    labels: Sequence[Label],
    voxel: VoxelSize | None,
    name: Callable[[int], str],
    smooth: SmoothedMasks | None = None,
) -> tuple[list[Mask], PostprocessReport]:
    """Apply rules to masks.

    Parameters
    ----------
    masks
        One label image (rows, columns) a slice, in the order of the slices.
    rules
        What to do, in this order.
    labels
        The labels that the rules name.
    voxel
        Size of the voxels; None where it is unknown: then nothing is done, and that is said.
    name
        Returns what the scan calls one of its slices.
    smooth
        Makes the masks anew from probabilities smoothed along the slices; None where there are
        masks alone: then smoothing is left out, and that is said.

    Returns
    -------
    tuple
        The masks (slices that did not change are the same arrays), and what each rule did.
    """
    values = {label.name: label.value for label in labels}
    result, outcomes = list(masks), []
    reason = _UNKNOWN if voxel is None else _SINGLE if len(masks) < 2 else None
    sizes = {mask.shape for mask in masks}
    if reason is None and len(sizes) > 1:
        reason = "the slices are of several sizes"
    for rule in rules:
        if reason is not None or voxel is None:
            outcomes.append(RuleOutcome(rule_name(rule), rule.labels, skipped=reason))
            continue
        if isinstance(rule, Smooth):
            changed, outcome = _smoothed(result, rule, voxel, smooth)
        else:
            changed, outcome = _apply(result, rule, values, voxel, name)
        outcomes.append(_with_volumes(outcome, result, changed, voxel))
        result = changed
    return result, PostprocessReport(tuple(outcomes), remarks_on(outcomes))


def _smoothed(
    masks: list[Mask], rule: Smooth, voxel: VoxelSize, smooth: SmoothedMasks | None
) -> tuple[list[Mask], RuleOutcome]:
    outcome = RuleOutcome(rule_name(rule), rule.labels)
    if smooth is None:
        return masks, msgspec.structs.replace(outcome, skipped=_NO_PROBABILITIES)
    return smooth(rule.sigma_mm / voxel.slice_mm), outcome


def _apply(
    masks: list[Mask],
    rule: Bridge | FillHoles | KeepLargest | LeastVolume | JoinedTo,
    values: Mapping[str, int],
    voxel: VoxelSize,
    name: Callable[[int], str],
) -> tuple[list[Mask], RuleOutcome]:
    outcome = RuleOutcome(rule_name(rule), rule.labels)
    region = [values[label] for label in rule.labels]
    if isinstance(rule, Bridge):
        # A gap of exactly so many mm counts, whatever the rounding of the spacing.
        most = int(rule.gap_mm / voxel.slice_mm + 1e-6)
        return bridge_gaps(masks, region, most), outcome
    if isinstance(rule, FillHoles):
        return fill_holes(masks, region, rule.area_mm2 / voxel.row_mm / voxel.col_mm), outcome
    ranked = [values[label] for label in rule.ranked_by] if isinstance(rule, KeepLargest) else []
    bodies = find_bodies(masks, region, ranked)
    removed = ~_kept(masks, rule, bodies, values, voxel)
    return without_bodies(masks, bodies, removed), _counted(outcome, bodies, removed, voxel, name)


def _kept(
    masks: Sequence[Mask],
    rule: KeepLargest | LeastVolume | JoinedTo,
    bodies: Bodies,
    values: Mapping[str, int],
    voxel: VoxelSize,
) -> NDArray[np.bool_]:
    """Tell of each body whether a rule keeps it."""
    if isinstance(rule, LeastVolume):
        return np.asarray(bodies.voxels * voxel.ml >= rule.volume_ml * (1 - 1e-9))
    if isinstance(rule, JoinedTo):
        others = [values[name] for name in rule.others]
        return joined_bodies(masks, bodies, others, rule.within_mm, voxel)
    counts = bodies.counted
    kept = np.zeros(len(bodies), np.bool_)
    kept[np.argsort(-counts, kind="stable")[: rule.bodies]] = True
    return np.asarray(kept & (counts > 0) & (counts >= rule.least_share * counts.max(initial=0)))


def _counted(
    outcome: RuleOutcome,
    bodies: Bodies,
    removed: NDArray[np.bool_],
    voxel: VoxelSize,
    name: Callable[[int], str],
) -> RuleOutcome:
    largest = None
    if removed.any():
        body = int(np.where(removed, bodies.voxels, -1).argmax())
        largest = LargestRemoved(
            float(bodies.voxels[body]) * voxel.ml,
            name(int(bodies.first_slice[body])),
            name(int(bodies.last_slice[body])),
        )
    return msgspec.structs.replace(
        outcome,
        bodies=len(bodies),
        removed_bodies=int(removed.sum()),
        largest_removed=largest,
    )


def _with_volumes(
    outcome: RuleOutcome, before: Sequence[Mask], after: Sequence[Mask], voxel: VoxelSize
) -> RuleOutcome:
    """Add what became background and what became a label, in mL."""
    removed = added = 0
    for old, new in zip(before, after, strict=True):
        if old is not new:
            removed += int(np.count_nonzero((old != 0) & (new == 0)))
            added += int(np.count_nonzero((old == 0) & (new != 0)))
    return msgspec.structs.replace(
        outcome, removed_ml=removed * voxel.ml, added_ml=added * voxel.ml
    )
