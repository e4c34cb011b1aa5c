"""Accuracy of a network on labelled slices: Dice of each region, patient by patient."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding, Preprocessing
from edgeseg.imaging.levels import Grey, Hounsfield, Levels, to_input
from edgeseg.imaging.neighbours import neighbours, stacked
from edgeseg.imaging.slices import Mask, SliceGeometry, to_model, to_native, to_probabilities
from edgeseg.imaging.tiles import TileSum, tiling_of
from edgeseg.labelled import UNKNOWN, LabelledSlice, by_patient
from edgeseg.scoring.dice import KITS_REGIONS
from edgeseg_converters.arrays import ModelInput

Predict: TypeAlias = Callable[[ModelInput], NDArray[np.float32]]
"""An image (1, H, W, C) to its probabilities (1, H, W, labels)."""

RegionLabels: TypeAlias = Mapping[str, tuple[int, ...]]
"""The label values that each region holds."""

SPECK = 20
"""Pixels of a region, in a slice that has none, from which on it counts as a false finding."""

_FAST = 1
"""Level of zlib that takes the least time."""


@dataclass(frozen=True)
class SliceSegmenter:
    """A network, how a slice becomes its input, and how its output becomes a mask."""

    predict: Predict
    preprocessing: Preprocessing
    decoding: Decoding

    def mask(self, image: Hounsfield | Grey, geometry: SliceGeometry, *, windowed: bool) -> Mask:
        """Segment one slice, which stands in for its neighbours where the model reads some.

        The mask has the slice's own size (rows, columns).
        """
        canvas = tiling_of(geometry, self.preprocessing, self.decoding).canvas
        levels = to_model(image, geometry, canvas, windowed=windowed)
        return self.mask_of([levels] * self.preprocessing.planes, geometry)

    def mask_of(self, planes: Sequence[Levels], geometry: SliceGeometry) -> Mask:
        """Segment a slice of which the levels, and those of its neighbours, are there."""
        tiling = tiling_of(geometry, self.preprocessing, self.decoding)
        whole, total = stacked(planes), TileSum(tiling, len(self.decoding.channels))
        for tile in range(len(tiling)):
            output = self.predict(to_input(tiling.cut(whole, tile), self.preprocessing))
            total.add(tile, to_probabilities(output))
        return to_native(total.probabilities, geometry, tiling.canvas, tiling.decoding)


@dataclass(frozen=True)
class PackedMask:
    """A compressed mask, some hundred times smaller than its pixels."""

    shape: tuple[int, int]
    data: bytes

    @classmethod
    def of(cls, mask: Mask) -> "PackedMask":
        """Compress a mask (rows, columns)."""
        rows, cols = mask.shape
        return cls((rows, cols), zlib.compress(mask.tobytes(), _FAST))

    def unpack(self) -> Mask:
        """Return the mask (rows, columns)."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)


@dataclass(frozen=True)
class PatientScore:
    """How well a network segments one patient's slices, taken together.

    Attributes
    ----------
    dice
        Dice of each region over all slices; ``nan`` where the truth never shows the region.
    absent
        Number of slices in which the truth lacks the region.
    false
        Number of those in which the network finds it all the same, in :data:`SPECK` pixels or
        more.
    masks
        What the network made of each slice.
    """

    patient: str
    dice: Mapping[str, float]
    absent: Mapping[str, int]
    false: Mapping[str, int]
    masks: tuple[PackedMask, ...]


PatientScores: TypeAlias = tuple[PatientScore, ...]


def regions_of(decoding: Decoding) -> dict[str, tuple[int, ...]]:
    """Return the KiTS regions that a network can paint any label of."""
    painted = set(decoding.channels)
    return {name: labels for name, labels in KITS_REGIONS.items() if painted & set(labels)}


def score(
    segmenter: SliceSegmenter,
    slices: Iterable[LabelledSlice],
    advance: Callable[[], None] = lambda: None,
) -> PatientScores:
    """Segment labelled slices and score each patient.

    Parameters
    ----------
    slices
        Read one at a time, patient by patient.
    advance
        Called after each slice.

    Raises
    ------
    VolumeError
        If a slice can't be read.
    """
    regions = regions_of(segmenter.decoding)
    return tuple(
        _score_patient(patient, _segmented(segmenter, group, advance), regions)
        for patient, group in by_patient(slices).items()
    )


def agreement(scores: PatientScores, reference: PatientScores) -> float:
    """Return the share of all pixels that two networks give the same label."""
    equal = total = 0
    for patient, expected_patient in zip(scores, reference, strict=True):
        for mask, expected in zip(patient.masks, expected_patient.masks, strict=True):
            same = mask.unpack() == expected.unpack()
            equal, total = equal + int(np.count_nonzero(same)), total + same.size
    return equal / total


def _segmented(
    segmenter: SliceSegmenter, slices: Sequence[LabelledSlice], advance: Callable[[], None]
) -> Iterator[tuple[Mask, Mask]]:
    """Yield truth and mask of every slice; nothing is found where the truth is unknown.

    Neighbours are the patient's slices before and behind, as they stand.
    """
    how = segmenter.preprocessing
    recent: dict[int, tuple[Levels, Mask]] = {}
    for place, labelled in enumerate(slices):
        places = neighbours(place, len(slices), how.planes)
        recent = {
            other: recent[other] if other in recent else _read(slices[other], how)
            for other in places
        }
        truth = recent[place][1]
        mask = segmenter.mask_of([recent[other][0] for other in places], labelled.geometry)
        yield truth, np.where(truth == UNKNOWN, np.uint8(0), mask)
        advance()


def _read(labelled: LabelledSlice, how: Preprocessing) -> tuple[Levels, Mask]:
    image, truth = labelled.read()
    return to_model(image, labelled.geometry, how, windowed=labelled.windowed), truth


def _score_patient(
    patient: str, segmented: Iterator[tuple[Mask, Mask]], regions: RegionLabels
) -> PatientScore:
    pixels, masks = [], []
    for truth, mask in segmented:
        pixels.append([_overlap(truth, mask, labels) for labels in regions.values()])
        masks.append(PackedMask.of(mask))
    counts = np.array(pixels)
    absent = counts[..., 0] == 0
    false = absent & (counts[..., 1] >= SPECK)
    return PatientScore(
        patient,
        dict(zip(regions, map(_dice, *counts.sum(axis=0).T.tolist()), strict=True)),
        dict(zip(regions, absent.sum(axis=0).tolist(), strict=True)),
        dict(zip(regions, false.sum(axis=0).tolist(), strict=True)),
        tuple(masks),
    )


def _overlap(truth: Mask, mask: Mask, labels: tuple[int, ...]) -> tuple[int, int, int]:
    """Count the pixels of a region in the truth, in the mask, and in both."""
    true, segmented = np.isin(truth, labels), np.isin(mask, labels)
    return int(true.sum()), int(segmented.sum()), int((true & segmented).sum())


def _dice(true: int, segmented: int, common: int) -> float:
    """Return Dice of numbers of pixels; nan where the truth has none."""
    return 2 * common / (true + segmented) if true else float("nan")
