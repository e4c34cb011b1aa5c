"""A 3x3 convolution by Winograd's F(2, 3): two pixels of a row take four products, not six."""

from functools import cache
from typing import Any

from edgeseg_converters.keras.quiet import import_keras, import_tensorflow

PRODUCTS = 4


@cache
def winograd_conv2d() -> Any:
    """Return the class of the layer; ordinary operations in TFLite.

    Its weights are four kernels (3, 1, in, out) and a bias (out). Of pixels 2j - 1 to 2j + 2 of a
    row, the kernels read a - c, b + c, c - b and b - d; of their results p, q, r and s, pixel 2j
    is p + q + r and pixel 2j + 1 is q - r - s. Source: Lavin and Gray 2016, "Fast algorithms for
    convolutional neural networks", arXiv:1509.09308, section 4.1, F(2, 3).
    """
    keras, tf = import_keras(), import_tensorflow()

    class WinogradConv2D(keras.layers.Conv2D):  # type: ignore[misc, name-defined] # Keras is untyped
        def build(self, shape: Any) -> None:
            size = (3, 1, shape[-1], self.filters)
            self._four = [self.add_weight(size, name=f"{n}_kernel") for n in range(PRODUCTS)]
            self.bias = self.add_weight((self.filters,), name="bias")

        def call(self, inputs: Any) -> Any:
            image = inputs
            if self.padding == "same":
                image = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]])
            p, q, r, s = (
                tf.nn.conv2d(read, kernel, 1, "VALID")
                for read, kernel in zip(_read(image), self._four, strict=True)
            )
            q = tf.nn.bias_add(q, self.bias)
            even, odd = self.activation(p + (q + r)), self.activation((q - r) - s)
            _, height, half, filters = even.shape
            return tf.reshape(tf.concat([even, odd], -1), [-1, height, 2 * half, filters])

    def _read(image: Any) -> tuple[Any, ...]:
        """Return what each kernel reads: pairs of pixels that lie side by side, without a copy."""
        _, height, width, channels = image.shape
        pairs = tf.reshape(image, [-1, height, width // 2, 2 * channels])
        a, c = pairs[:, :, :-1, :channels], pairs[:, :, 1:, :channels]
        b, d = pairs[:, :, :-1, channels:], pairs[:, :, 1:, channels:]
        return a - c, b + c, c - b, b - d

    return WinogradConv2D
