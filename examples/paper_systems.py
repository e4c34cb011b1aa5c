"""The paper's systems: what each is made of, compiled, and measured on labelled slices."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from data import DECODING, PREPROCESSING, SIZE
from measure import mean_dice, measure
from paper_report import Row

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import EdgesegError
from edgeseg.labelled import LabelledSlice, by_patient
from edgeseg.output.terminal import messages
from edgeseg_converters import convert
from edgeseg_converters.assemble import hash_model
from edgeseg_converters.compare.accuracy import (
    PackedMask,
    PatientScore,
    PatientScores,
    SliceSegmenter,
    agreement,
)
from edgeseg_converters.compare.bundle_runner import segmenter_of
from edgeseg_converters.compare.footprint import measure_bundle

WHOLE, PARTITIONED = "UNet", "UNet-P"
"""The two whose masks must be equal."""
WP_RATIO = 0.5
"""Pruning ratio of the WP-UNet-style network."""


@dataclass(frozen=True, slots=True)
class System:
    """A trained network, cut and pruned: one piece, or as many as Algorithm I makes by itself."""

    name: str
    model: Path
    most_pieces: int | None = 1
    ratio: float | None = None

    @property
    def calibration(self) -> Path:
        """Folder of the slices that batch statistics are taken from after pruning."""
        return self.model.with_name("calibration")

    @property
    def bundle(self) -> Path:
        """Where it is compiled to."""
        return self.model.with_name(self.name.lower().replace(" ", "-") + ".edgeseg")


def systems(unet: Path, sd_unet: Path, ratios: Sequence[float]) -> tuple[System, ...]:
    """List the paper's five systems; UNet-PWP at each ratio of Algorithm II.

    Parameters
    ----------
    unet, sd_unet
        The trained networks, ``.keras`` files in one folder.
    """
    return (
        System(WHOLE, unet),
        System(PARTITIONED, unet, None),
        *(System(f"UNet-PWP {ratio:g}", unet, None, ratio) for ratio in ratios),
        System("SD-UNet-style", sd_unet),
        System("WP-UNet-style", sd_unet, ratio=WP_RATIO),
    )


def rows_of(listed: Sequence[System], slices: Sequence[LabelledSlice]) -> Iterator[Row]:
    """Compile and measure every system, and masks that show nothing.

    Raises
    ------
    EdgesegError
        If a system can't be compiled or run, or UNet-P's masks are not those of UNet.
    VolumeError
        If a slice can't be read.
    """
    truth = _truth(slices)
    scored: dict[str, PatientScores] = {}
    for system in listed:
        bundle = compiled(system)
        messages.print(f"measuring {system.name}")
        scored[system.name] = measure(segmenter_of(bundle), slices)
        if system.name == PARTITIONED:
            require_equal(scored[PARTITIONED], scored[WHOLE])
        yield _row(system.name, bundle, scored[system.name], truth)
    yield background_row(slices, truth)


def compiled(system: System) -> Bundle:
    """Compile a system, unless its bundle is there already and made of the same model."""
    if system.bundle.is_file():
        bundle = Bundle(system.bundle)
        if bundle.manifest.model_sha256 == hash_model(system.model):
            return bundle
    messages.print(f"compiling {system.name}")
    convert(
        system.model,
        system.bundle,
        max_partitions=system.most_pieces,
        prune_ratio=system.ratio,
        calibration=None if system.ratio is None else system.calibration,
        window=PREPROCESSING.window,
    )
    return Bundle(system.bundle)


def require_equal(partitioned: PatientScores, whole: PatientScores) -> None:
    """Refuse masks of which a single pixel changed by partitioning.

    Raises
    ------
    EdgesegError
        If one did; it says how many.
    """
    apart = 1 - agreement(partitioned, whole)
    if apart:
        raise EdgesegError(
            f"{PARTITIONED} labels {apart:.4%} of pixels otherwise than {WHOLE}; "
            "remove both bundles and try again"
        )


def background_row(slices: Sequence[LabelledSlice], truth: PatientScores) -> Row:
    """Score masks that show nothing: what pixel accuracy is worth."""
    nothing = np.zeros((1, SIZE, SIZE, len(DECODING.channels)), np.float32)
    scores = measure(SliceSegmenter(lambda _: nothing, PREPROCESSING, DECODING), slices)
    return Row(
        system="all background",
        pixel_accuracy=agreement(scores, truth),
        kidney_and_mass=_dice(scores, "kidney_and_mass"),
        tumor=_dice(scores, "tumor"),
    )


def _truth(slices: Sequence[LabelledSlice]) -> PatientScores:
    """Take the labels as the masks of a network that is always right."""
    return tuple(
        PatientScore(patient, {}, {}, {}, tuple(PackedMask.of(one.read()[1]) for one in group))
        for patient, group in by_patient(slices).items()
    )


def _row(name: str, bundle: Bundle, scores: PatientScores, truth: PatientScores) -> Row:
    """Gather what a system costs and what its masks are worth."""
    pieces, footprint = bundle.manifest.pieces, measure_bundle(bundle)
    parameters = sum(piece.parameters for piece in pieces)
    return Row(
        system=name,
        parameters=parameters,
        flops=sum(piece.flops for piece in pieces),
        sparsity=sum(piece.sparsity * piece.parameters for piece in pieces) / parameters,
        pieces=len(pieces),
        bytes=footprint.bytes,
        ms_per_slice=footprint.ms_per_slice,
        peak_memory_bytes=footprint.peak_memory_bytes,
        pixel_accuracy=agreement(scores, truth),
        kidney_and_mass=_dice(scores, "kidney_and_mass"),
        tumor=_dice(scores, "tumor"),
    )


def _dice(scores: PatientScores, region: str) -> float | None:
    """Average over the patients who have the region; None if nobody has."""
    value = mean_dice(scores, region)
    return None if math.isnan(value) else value
