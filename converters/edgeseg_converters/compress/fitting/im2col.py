"""im2col: kernels as matrices, and their input patches as rows; a convolution is a product."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.network.graph import Layer
from edgeseg_converters.layers.kind import KernelLayout
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Weights

Kernel: TypeAlias = NDArray[np.float32]

Matrix: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class KernelMatrix:
    """The kernel of one layer as a matrix (inputs, outputs), and back.

    A transposed convolution has an output for each place of its kernel: ``places`` of them, next
    to each other, make one channel.
    """

    layer: Layer
    index: int
    """Place of the kernel among the layer's weights."""
    depthwise: Kernel | None = None
    """The kernel (rows, columns, C, multiplier) whose output this one reads, in the same layer."""

    @property
    def elements(self) -> int:
        """Number of weights."""
        return self.layer.weights[self.index].elements

    @property
    def inputs(self) -> int:
        """Rows of the matrix."""
        return self.elements // (self.layer.output.shape[-1] * self.places)

    @property
    def places(self) -> int:
        """Outputs of the matrix that belong to one output channel."""
        rows, cols, *_ = self._shape
        return rows * cols if self._layout is KernelLayout.TRANSPOSED else 1

    @property
    def _layout(self) -> KernelLayout:
        return kind_of(self.layer.kind).kernel

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.layer.weights[self.index].shape

    def matrix(self, kernel: Kernel) -> Matrix:
        """Write the kernel as a matrix (inputs, outputs)."""
        if self._layout is KernelLayout.TRANSPOSED:
            *_, inputs = self._shape
            return kernel.transpose(3, 2, 0, 1).reshape(inputs, -1).astype(np.float64)
        return kernel.reshape(-1, self._shape[-1]).astype(np.float64)

    def kernel(self, matrix: Matrix) -> Kernel:
        """Write a matrix as a kernel again."""
        if self._layout is KernelLayout.TRANSPOSED:
            rows, cols, outputs, inputs = self._shape
            matrix = matrix.reshape(inputs, outputs, rows, cols).transpose(2, 3, 1, 0)
        return np.ascontiguousarray(matrix.reshape(self._shape), np.float32)

    def rows(self, read: NDArray[np.float32], sites: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what the kernel is multiplied with at some sites, (sites, inputs).

        Parameters
        ----------
        read
            What the layer reads, (1, H, W, C) or (1, C).
        sites
            Numbers below :meth:`sites`.
        """
        if self._sees_one_pixel:
            return np.ascontiguousarray(read.reshape(-1, read.shape[-1])[sites])
        views = _patches(read[0], self.layer.config)
        patches = views[np.unravel_index(sites, views.shape[:2])]
        if self.depthwise is not None:
            patches = np.einsum("schw,hwcm->scm", patches, self.depthwise)
        else:
            patches = patches.transpose(0, 2, 3, 1)
        return np.asarray(patches.reshape(len(sites), -1))

    def sites(self, read: NDArray[np.float32]) -> int:
        """Count the places at which the kernel is applied to one image."""
        if self._sees_one_pixel:
            return int(read.size // read.shape[-1])
        height, width = _patches(read[0], self.layer.config).shape[:2]
        return int(height * width)

    @property
    def _sees_one_pixel(self) -> bool:
        """Whether the kernel reads one pixel; a transposed convolution spreads it."""
        return self._layout in {KernelLayout.TRANSPOSED, KernelLayout.MATRIX}


def kernel_matrix(layer: Layer, weights: Weights) -> KernelMatrix | None:
    """Return how the kernel of a layer is written as a matrix, or None where it can't be.

    Depth-wise kernels can't, nor those of convolutions by groups. Of a separable convolution it is
    the point-wise one.

    Parameters
    ----------
    layer
        A layer of any kind.
    weights
        Those of its network.
    """
    names = [spec.name for spec in layer.weights]
    kind = kind_of(layer.kind)
    match kind.kernel:
        case KernelLayout.SEPARABLE:
            depthwise = weights[layer.name][names.index("depthwise_kernel")]
            return KernelMatrix(layer, names.index("pointwise_kernel"), depthwise)
        case KernelLayout.SLIDING if kind.binds_channels(layer) is not None:
            return None
        case KernelLayout.SLIDING | KernelLayout.TRANSPOSED | KernelLayout.MATRIX:
            return KernelMatrix(layer, names.index("kernel"))
        case _:
            return None


def _patches(image: NDArray[np.float32], config: Mapping[str, Any]) -> NDArray[np.float32]:
    """View an image (H, W, C) as its patches (rows, columns, C, kernel rows, kernel columns)."""
    size, step, gap = config["kernel_size"], config["strides"], config["dilation_rate"]
    reach = [(extent - 1) * between + 1 for extent, between in zip(size, gap, strict=True)]
    if config["padding"] == "same":
        image = np.pad(image, [*map(_same, image.shape[:2], reach, step), (0, 0)])
    patches = np.lib.stride_tricks.sliding_window_view(image, reach, axis=(0, 1))
    return patches[:: step[0], :: step[1], :, :: gap[0], :: gap[1]]


def _same(extent: int, reach: int, step: int) -> tuple[int, int]:
    """Return the zeros before and after an axis, as TensorFlow pads it."""
    total = max((-(-extent // step) - 1) * step + reach - extent, 0)
    return total // 2, total - total // 2
