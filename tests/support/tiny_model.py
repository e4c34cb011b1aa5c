"""Run as ``tiny_model.py FOLDER``: a tiny U-Net, compiled uncut and into pieces.

TensorFlow stays in this process, away from the tests of what must work without it.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import zoo

from edgeseg_converters import convert

SIZE = 64
PIECES = (1, 5)


def main(folder: Path) -> None:
    """Write ``tiny.keras``, and ``N.edgeseg`` in N pieces."""
    model = zoo.residual(keras, size=SIZE, base=8)
    # Biases that put half of every channel above one half: no mask is trivial.
    head = model.get_layer("regions")
    weights, _ = head.get_weights()
    features = keras.Model(model.inputs, head.input).predict(zoo.random_images(1, SIZE), verbose=0)
    head.set_weights([weights, -np.median(features @ weights[0, 0], axis=(0, 1, 2))])
    model.save(folder / "tiny.keras")
    for pieces in PIECES:
        convert(folder / "tiny.keras", folder / f"{pieces}.edgeseg", max_partitions=pieces)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
