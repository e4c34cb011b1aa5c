"""Makes the networks by which a worker times its cores: ``python speed_probes.py FOLDER``.

Layers are those of a U-Net on three levels, and weights a short pattern that compresses well: how
long a kernel takes does not depend on its values.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import zstandard

SIZE, CHANNELS = 96, 16


def build() -> Any:
    """Build the network, 96 x 96 x 16 to 96 x 96 x 8, with its pattern of weights."""
    layers = keras.layers
    same: dict[str, Any] = {"padding": "same", "activation": "relu"}
    image = layers.Input((SIZE, SIZE, CHANNELS), batch_size=1)
    fine = layers.Conv2D(16, 3, **same)(image)
    middle = layers.Conv2D(32, 3, **same)(layers.MaxPooling2D()(fine))
    middle = layers.Conv2D(32, 3, **same)(middle)
    coarse = layers.Conv2D(64, 3, **same)(layers.MaxPooling2D()(middle))
    coarse = layers.Conv2D(64, 3, **same)(coarse)
    up = layers.Conv2DTranspose(32, 2, 2, padding="same")(coarse)
    up = layers.Conv2D(32, 3, **same)(layers.Concatenate()([middle, up]))
    up = layers.Conv2DTranspose(16, 2, 2, padding="same")(up)
    up = layers.Conv2D(16, 3, **same)(layers.Concatenate()([fine, up]))
    model = keras.Model(image, layers.Conv2D(8, 1, activation="sigmoid")(up))
    model.set_weights([_pattern(tuple(weight.shape)) for weight in model.weights])
    return model


def convert(model: Any, *, int8: bool) -> bytes:
    """Convert it to TFLite, in float32 or in int8 throughout."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = _slices
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def _slices() -> Iterator[list[Any]]:
    ramp = np.linspace(-1, 1, SIZE * SIZE * CHANNELS, dtype=np.float32)
    yield [ramp.reshape(1, SIZE, SIZE, CHANNELS)]


def _pattern(shape: tuple[int, ...]) -> Any:
    values = np.resize(np.array([1, -1, 2, 0, -2, 1, 0, -1], np.float32), shape)
    return values / (4 * max(1, np.prod(shape[:-1])) ** 0.5)


def _write(folder: Path, pack: Callable[[bytes], bytes]) -> None:
    model = build()
    model.save(folder / "probe.keras")
    for name, int8 in (("float32", False), ("int8", True)):
        (folder / f"{name}.tflite.zst").write_bytes(pack(convert(model, int8=int8)))


if __name__ == "__main__":
    _write(Path(sys.argv[1]), zstandard.ZstdCompressor(level=19).compress)
