"""Run as ``tiny_precisions.py FOLDER``: the tiny U-Net beside it in every lower precision.

And ``overlapping.edgeseg``, a network whose transposed convolution has int8 weights and stays one,
and ``wide.edgeseg``, one whose convolutions take fewer products.
"""

import sys
from pathlib import Path

import keras
import nibabel as nib
import numpy as np

from edgeseg_converters import convert

PRECISIONS = ("float16", "dynamic", "int8")


def main(folder: Path) -> None:
    """Read ``tiny.keras``, write ``PRECISION.edgeseg`` in three pieces each."""
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 4), dtype=np.int16)
    scan = folder / "calibration.nii"
    nib.save(nib.Nifti1Image(noise, np.eye(4)), scan)
    for precision in PRECISIONS:
        bundle = folder / f"{precision}.edgeseg"
        convert(
            folder / "tiny.keras", bundle, max_partitions=3, quantize=precision, calibration=scan
        )
    overlapping = folder / "overlapping.keras"
    _overlapping().save(overlapping)
    convert(overlapping, overlapping.with_suffix(".edgeseg"), quantize="dynamic")
    wide = folder / "wide.keras"
    _wide().save(wide)
    convert(wide, wide.with_suffix(".edgeseg"), tolerance=1e-5)


def _overlapping() -> keras.Model:
    layers = keras.layers
    image = keras.Input((64, 64, 1))
    x = layers.MaxPooling2D(2)(layers.Conv2D(16, 3, padding="same")(image))
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same")(x)
    return keras.Model(image, layers.Conv2D(3, 1, activation="sigmoid")(x))


def _wide() -> keras.Model:
    layers = keras.layers
    image = keras.Input((64, 64, 1))
    x = layers.Conv2D(128, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(128, 3, padding="same", activation="relu")(layers.MaxPooling2D(4)(x))
    x = layers.UpSampling2D(4)(x)
    x = layers.Concatenate()([x, image])
    return keras.Model(image, layers.Conv2D(3, 3, padding="same", activation="sigmoid")(x))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
