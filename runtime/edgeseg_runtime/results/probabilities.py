"""The probabilities of labels as a file: 4-D NIfTI in the geometry of the scan."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Manifest
from edgeseg.errors import UsageError, field_name
from edgeseg.imaging.nifti import NiftiScan, write_volumes
from edgeseg.imaging.scan import Scan
from edgeseg.imaging.slices import to_native_probabilities
from edgeseg.imaging.tiles import tiling_of

FULL = 255
"""What stands for a probability of 1."""


def check_probabilities(path: Path, scan: Scan) -> None:
    """Refuse early what :func:`write_probabilities` could not write.

    Raises
    ------
    UsageError
        If the scan is no volume, or the path is named like no NIfTI or is the scan's own.
    OutputError
        If it can't be written.
    """
    _volume(scan).check_output(path)


def write_probabilities(
    path: Path, scan: Scan, probabilities: Sequence[NDArray[np.uint8]], manifest: Manifest
) -> None:
    """Write one volume for each output channel that paints a label, in the order of channels.

    Values are 8 bit, and scaled by the header: 255 is 1. What is nested stays nested: where a
    channel means a region, its volume is the probability of the region.

    Parameters
    ----------
    path
        Of a ``.nii`` or ``.nii.gz`` file.
    scan
        What was segmented.
    probabilities
        8 bit (H, W, channels) a slice, in the model's grid or on the canvas of its tiles.
    manifest
        Of the bundle.

    Raises
    ------
    OutputError
        If it can't be written; nothing half-written is left.
    """
    names = {label.value: label.name for label in manifest.labels}
    channels = [
        (channel, names[value]) for channel, value in enumerate(manifest.decoding.channels) if value
    ]
    volume = _volume(scan)
    tiling = tiling_of(scan.geometry(0), manifest.preprocessing, manifest.decoding)

    def volumes() -> Iterator[list[NDArray[np.uint8]]]:
        for channel, _ in channels:
            yield [
                to_native_probabilities(
                    output,
                    channel,
                    scan.geometry(index),
                    tiling.canvas,
                    tiling.decoding,
                )
                for index, output in enumerate(probabilities)
            ]

    title = f"probabilities: {', '.join(name for _, name in channels)}"
    write_volumes(path, volume, volumes(), len(channels), 1 / FULL, title)


def _volume(scan: Scan) -> NiftiScan:
    if not isinstance(scan, NiftiScan):
        raise UsageError(
            f"{field_name('probabilities')} is for volumes (NIfTI, DICOM); leave it out for "
            "pictures"
        )
    return scan
