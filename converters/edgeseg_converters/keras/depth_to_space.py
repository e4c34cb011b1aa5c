"""Depth to space, TFLite's rearrangement of channels into blocks of pixels, as a Keras layer."""

from functools import cache
from typing import Any

from edgeseg_converters.keras.quiet import import_keras, import_tensorflow


@cache
def depth_to_space() -> Any:
    """Return the class of the layer; one operation in TFLite.

    Of C * B * B channels, pixel (y, x) of a block of B * B gets those from (B * y + x) * C on.
    """
    keras, tensorflow = import_keras(), import_tensorflow()

    class DepthToSpace(keras.layers.Layer):  # type: ignore[misc, name-defined] # Keras is untyped
        def __init__(self, block_size: int, **settings: Any) -> None:
            super().__init__(**settings)
            self._block_size = block_size

        def call(self, inputs: Any) -> Any:
            return tensorflow.nn.depth_to_space(inputs, self._block_size)

    return DepthToSpace
