"""Follows a network layer by layer: each kernel is chosen by what the layers before it hand on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.network.graph import Graph, Layer, live_tensors
from edgeseg.output.terminal import progress
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.augmentation import augment
from edgeseg_converters.compress.calibration import spread
from edgeseg_converters.compress.fitting.im2col import Matrix, Unrolled, unrolled
from edgeseg_converters.compress.fitting.moments import Moments, moments
from edgeseg_converters.compress.fitting.recalibrate import with_moved_statistics
from edgeseg_converters.compress.forward import Forward
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import ChannelMasks, Network, narrowed

_SLICES = 128
"""Twice as many change little of what is chosen."""
_HELD_BYTES = 4 * 2**30
"""Of all tensors alive at once."""

Tensors: TypeAlias = Sequence[NDArray[np.float32]]
"""What a layer reads, one array an image."""

Choose: TypeAlias = Callable[[Unrolled, Moments], Matrix]
"""Chooses a kernel anew, (K, O), by the moments of what it reads and of what it should make."""


@dataclass(frozen=True)
class Original:
    """The network whose outputs are wanted, layer by layer.

    Attributes
    ----------
    network
        It has every layer of the other network, by the same name.
    kept
        Which channels of a layer's output the other network has, where it lacks some.
    """

    network: Network
    kept: ChannelMasks = field(default_factory=dict)

    def outputs(self, name: str) -> tuple[Unrolled, Matrix]:
        """Return the kernel of a layer, and the matrix of what is wanted of it.

        Raises
        ------
        ValueError
            If the layer has no kernel that is a matrix.
        """
        kernel = unrolled(self.network.graph.layer(name), self.network.weights)
        if kernel is None:
            raise ValueError(f"the kernel of {name} is no matrix")
        matrix = kernel.matrix(self.network.weights[name][kernel.index])
        if name in self.kept:
            matrix = matrix[:, np.repeat(self.kept[name], kernel.places)]
        return kernel, matrix

    def tensors(self, name: str, arrays: Tensors) -> Tensors:
        """Return arrays of a tensor without the channels that the other network lacks."""
        return [narrowed(array, name, self.kept) for array in arrays]


def varied(images: Sequence[ModelInput], graph: Graph) -> list[ModelInput]:
    """Make as many slices as say enough, and as can be held: by turns as they are and changed.

    Unseen patients differ from these slices more than these from each other, and a network is less
    sure of them: kernels chosen by the slices alone as they are lose more on other patients.

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
    chosen = islice(cycle(spread(images, pairs)), pairs)
    return [one for image in chosen for one in (image, augment(image[0], rng)[np.newaxis])]


def observe(
    network: Network,
    images: Sequence[ModelInput],
    look: Callable[[Unrolled, Moments], None],
    doing: str,
) -> None:
    """Show the moments of every kernel as it is, from the first layer to the last.

    Parameters
    ----------
    images, doing
        As for :func:`follow`.
    look
        Called once for every kernel that is a matrix, in the order of the layers.
    """
    original = Original(network)
    stops = [(layer, kernel) for layer, kernel in _stops(network) if kernel is not None]
    forward = Forward(network.graph, images)
    with progress(len(stops), doing) as advance:
        for layer, kernel in stops:
            reads = forward.reach(layer, network.weights)
            look(kernel, _seen(network.graph, kernel, reads, original, reads))
            advance()


def follow(
    network: Network, original: Original, images: Sequence[ModelInput], choose: Choose, doing: str
) -> Network:
    """Choose every kernel anew, from the first layer to the last.

    A kernel is chosen by what the new layers before it make of the images, so that errors don't
    add up; batch statistics and biases follow. Kernels that are no matrix (depth-wise, by groups)
    stay. The tensors alive at one layer are held for all images at once, of both networks:
    :func:`varied` knows how many that may be.

    Parameters
    ----------
    images
        Unlabelled slices as model inputs, (1, H, W, C) each; at least one.
    choose
        Called once for every kernel that is a matrix, in the order of the layers.
    doing
        What the progress bar says.
    """
    stops = [*_stops(network)]
    behind, ahead = Forward(network.graph, images), Forward(original.network.graph, images)
    with progress(len(stops), doing) as advance:
        for layer, kernel in stops:
            reads = behind.reach(layer, network.weights)
            there = original.network.graph.layer(layer.name)
            wanted = ahead.reach(there, original.network.weights)
            if kernel is None:
                same = original.tensors(there.inputs[0], wanted)
                network = with_moved_statistics(network, layer, reads, same)
            else:
                seen = _seen(network.graph, kernel, reads, original, wanted)
                network = _with_kernel(network, kernel, seen, choose(kernel, seen))
            advance()
    return network


def _seen(
    graph: Graph, kernel: Unrolled, reads: Tensors, original: Original, wanted: Tensors
) -> Moments:
    """Take the moments that a kernel is chosen by.

    Parameters
    ----------
    reads, wanted
        What the kernel reads, and what that of the original reads.
    """
    seen = moments(kernel, reads, *original.outputs(kernel.layer.name), wanted)
    return seen.centred() if _mean_is_free(graph, kernel.layer) else seen


def _mean_is_free(graph: Graph, layer: Layer) -> bool:
    """Say whether a bias, or batch normalization, gives every output the mean it needs."""
    readers = [graph.layer(name).kind for name in graph.consumers[layer.name]]
    normalized = bool(readers) and all(kind_of(kind).batch_statistics for kind in readers)
    normalized = normalized and layer.name not in graph.outputs
    return layer.config["use_bias"] or (normalized and layer.config["activation"] == "linear")


def _stops(network: Network) -> Iterator[tuple[Layer, Unrolled | None]]:
    """Yield what is to change, in order: kernels, and batch normalization, which has none."""
    for layer in network.graph.layers:
        kernel = unrolled(layer, network.weights)
        if kernel is not None or kind_of(layer.kind).batch_statistics:
            yield layer, kernel


def _with_kernel(network: Network, kernel: Unrolled, seen: Moments, values: Matrix) -> Network:
    """Put a kernel into the network, and let its bias take up what the mean lacks."""
    layer = kernel.layer
    arrays = list(network.weights[layer.name])
    arrays[kernel.index] = kernel.kernel(values)
    if layer.config["use_bias"]:
        arrays[-1] = (arrays[-1] + _lacking(seen, values, kernel.places)).astype(np.float32)
    return replace(network, weights={**network.weights, layer.name: tuple(arrays)})


def _lacking(seen: Moments, values: Matrix, places: int) -> Matrix:
    """Return what each channel lacks in the mean."""
    lacking = seen.outputs - seen.inputs @ values
    return np.asarray(lacking.reshape(-1, places).mean(axis=1))
