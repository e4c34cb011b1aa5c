"""Goes through a network layer by layer and chooses each kernel by what it reads by then."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.network.graph import Graph, Layer, live_tensors
from edgeseg.progress import Progress, silent
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.augmentation import augment
from edgeseg_converters.compress.calibration import evenly_spaced
from edgeseg_converters.compress.fitting.im2col import KernelMatrix, Matrix, kernel_matrix
from edgeseg_converters.compress.fitting.moments import Moments, moments
from edgeseg_converters.compress.fitting.recalibrate import with_shifted_statistics
from edgeseg_converters.compress.forward import Forward
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import ChannelMasks, Network, narrowed

_SLICES = 128
"""Twice as many hardly change the kernels chosen."""
_HELD_BYTES = 4 * 2**30
"""Of all tensors alive at once."""

Tensors: TypeAlias = Sequence[NDArray[np.float32]]
"""What a layer reads, one array an image."""

KernelChoice: TypeAlias = Callable[[KernelMatrix, Moments], Matrix]
"""Chooses a kernel anew, (K, O), by the moments of what it reads and of what it should make."""


@dataclass(frozen=True)
class Original:
    """The network whose outputs are the targets, layer by layer.

    Attributes
    ----------
    network
        Has every layer of the changed network, by the same name.
    kept
        Which channels of a layer's output the changed network has, where it lacks some.
    """

    network: Network
    kept: ChannelMasks = field(default_factory=dict)

    def outputs(self, name: str) -> tuple[KernelMatrix, Matrix]:
        """Return the kernel of a layer, and its matrix, (K, O), without the outputs that are gone.

        Raises
        ------
        ValueError
            If the layer has no kernel that is a matrix.
        """
        kernel = kernel_matrix(self.network.graph.layer(name), self.network.weights)
        if kernel is None:
            raise ValueError(f"the kernel of {name} is no matrix")
        matrix = kernel.matrix(self.network.weights[name][kernel.index])
        if name in self.kept:
            matrix = matrix[:, np.repeat(self.kept[name], kernel.places)]
        return kernel, matrix

    def tensors(self, name: str, arrays: Tensors) -> Tensors:
        """Return arrays of a tensor without the channels that the changed network lacks."""
        return [narrowed(array, name, self.kept) for array in arrays]


def augmented_slices(images: Sequence[ModelInput], graph: Graph) -> list[ModelInput]:
    """Return slices to fit kernels on, each followed by an augmented copy; as many as memory holds.

    Slices of other patients differ more from these than these from each other: kernels fitted to
    the slices as they are lose more accuracy there.

    Parameters
    ----------
    images
        Slices as model inputs, (1, H, W, C) each; at least one.
    graph
        What will run on them, perhaps beside a second one of its size.
    """
    alive = max(sum(tensor.nbytes for tensor in tensors) for tensors in live_tensors(graph))
    pairs = max(1, min(_SLICES, _HELD_BYTES // (2 * alive)) // 2)
    rng = np.random.default_rng(0)
    originals = islice(cycle(evenly_spaced(images, pairs)), pairs)
    return [
        variant for image in originals for variant in (image, augment(image[0], rng)[np.newaxis])
    ]


def visit_kernels(
    network: Network,
    images: Sequence[ModelInput],
    visit: Callable[[KernelMatrix, Moments], None],
    doing: str,
    progress: Progress = silent,
) -> None:
    """Call a function with the moments of every kernel as it is, in the order of the layers.

    Parameters
    ----------
    images, doing, progress
        As for :func:`choose_kernels`.
    visit
        Called once for every kernel that is a matrix.
    """
    original = Original(network)
    stops = [(layer, kernel) for layer, kernel in _stops(network) if kernel is not None]
    forward = Forward(network.graph, images)
    with progress(len(stops), doing) as advance:
        for layer, kernel in stops:
            reads = forward.reach(layer, network.weights)
            visit(kernel, _moments_at(network.graph, kernel, reads, original, reads))
            advance()


def choose_kernels(  # noqa: PLR0913, PLR0917 - two networks, and what is said of the work
    network: Network,
    original: Original,
    images: Sequence[ModelInput],
    choose: KernelChoice,
    doing: str,
    progress: Progress = silent,
) -> Network:
    """Choose every kernel anew, from the first layer to the last.

    A kernel is chosen by what the new layers before it make of the images, so that errors don't
    add up; batch statistics and biases follow. Kernels that are no matrix (depth-wise, by groups)
    stay. The tensors alive at one layer are held for all images at once, of both networks:
    :func:`augmented_slices` knows how many that may be.

    Parameters
    ----------
    network
        What is changed.
    original
        What its layers should compute.
    images
        Unlabelled slices as model inputs, (1, H, W, C) each; at least one.
    choose
        Called once for every kernel that is a matrix, in the order of the layers.
    doing
        What the work is called.
    progress
        Told how many layers are done.
    """
    stops = [*_stops(network)]
    changed, target = Forward(network.graph, images), Forward(original.network.graph, images)
    with progress(len(stops), doing) as advance:
        for layer, kernel in stops:
            reads = changed.reach(layer, network.weights)
            target_layer = original.network.graph.layer(layer.name)
            target_reads = target.reach(target_layer, original.network.weights)
            if kernel is None:
                same = original.tensors(target_layer.inputs[0], target_reads)
                network = with_shifted_statistics(network, layer, reads, same)
            else:
                statistics = _moments_at(network.graph, kernel, reads, original, target_reads)
                network = _with_kernel(network, kernel, statistics, choose(kernel, statistics))
            advance()
    return network


def _moments_at(
    graph: Graph, kernel: KernelMatrix, reads: Tensors, original: Original, target_reads: Tensors
) -> Moments:
    """Return the moments that a kernel is chosen by.

    Parameters
    ----------
    reads, target_reads
        What the kernel reads, and what that of the original reads.
    """
    raw = moments(kernel, reads, *original.outputs(kernel.layer.name), target_reads)
    return raw.centred() if _mean_is_free(graph, kernel.layer) else raw


def _mean_is_free(graph: Graph, layer: Layer) -> bool:
    """Tell whether a bias, or batch normalization, corrects the mean of every output."""
    readers = [graph.layer(name).kind for name in graph.consumers[layer.name]]
    normalized = bool(readers) and all(kind_of(kind).batch_statistics for kind in readers)
    normalized = normalized and layer.name not in graph.outputs
    return layer.config["use_bias"] or (normalized and layer.config["activation"] == "linear")


def _stops(network: Network) -> Iterator[tuple[Layer, KernelMatrix | None]]:
    """Yield the layers to change, in order: with kernels, and batch normalization without."""
    for layer in network.graph.layers:
        kernel = kernel_matrix(layer, network.weights)
        if kernel is not None or kind_of(layer.kind).batch_statistics:
            yield layer, kernel


def _with_kernel(
    network: Network, kernel: KernelMatrix, statistics: Moments, values: Matrix
) -> Network:
    """Put a kernel into the network, and correct the mean of its outputs by the bias."""
    layer = kernel.layer
    arrays = list(network.weights[layer.name])
    arrays[kernel.index] = kernel.kernel(values)
    if layer.config["use_bias"]:
        arrays[-1] = (arrays[-1] + _lacking(statistics, values, kernel.places)).astype(np.float32)
    return replace(network, weights={**network.weights, layer.name: tuple(arrays)})


def _lacking(statistics: Moments, values: Matrix, places: int) -> Matrix:
    """Return the mean error of each channel."""
    lacking = statistics.outputs - statistics.inputs @ values
    return np.asarray(lacking.reshape(-1, places).mean(axis=1))
