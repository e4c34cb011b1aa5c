"""The compression of a whole network before it is cut: filters, weights, and learning back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeseg.units import format_count
from edgeseg_converters.chain import Image
from edgeseg_converters.finetune.tune import fine_tune
from edgeseg_converters.network import Network
from edgeseg_converters.prune.filters import FilterPruning, prune_filters
from edgeseg_converters.prune.kernels import sparsity_by_layer
from edgeseg_converters.prune.magnitude import zero_weights
from edgeseg_converters.prune.recalibrate import recalibrate
from edgeseg_converters.recipe import Recipe


@dataclass(frozen=True)
class Compressed:
    """A network that is smaller or has zeros, and what the user should know of how it went."""

    network: Network
    notes: tuple[str, ...] = ()


def compress(original: Network, recipe: Recipe, images: Sequence[Image]) -> Compressed:
    """Prune filters, then weights, and let the network learn back what it lost.

    Channels run across pieces through the skips, so all this is done before the network is cut.
    Batch statistics are taken anew after every step: those of the unpruned network are wrong.

    Parameters
    ----------
    images
        Unlabelled slices as model inputs, (1, H, W, C) each.

    Raises
    ------
    UsageError
        If a step needs slices and there are none, or names a layer that it can't prune.
    """
    network = original
    notes: list[str] = []
    if recipe.filters is not None and network.graph.parameters <= recipe.filters.above:
        notes.append(
            f"all filters are kept: the network has {format_count(network.graph.parameters)} "
            f"parameters, and the recipe prunes above {format_count(recipe.filters.above)}"
        )
    elif recipe.filters is not None:
        pruning = prune_filters(network, recipe.filters, images)
        network = recalibrate(pruning.network, images)
        notes += _notes(pruning)
    zeroed = network
    if recipe.zeros is not None:
        zeroed = recalibrate(zero_weights(network, recipe.zeros), images)
    if recipe.finetune is None:
        return Compressed(zeroed, tuple(notes))
    # A pattern can't grow gradually; a share of zeros can.
    start = zeroed if recipe.zeros is not None and recipe.zeros.pattern else network
    sparsity = {} if recipe.zeros is None else sparsity_by_layer(zeroed)
    tuned = fine_tune(start, original, images, recipe.finetune, sparsity)
    return Compressed(recalibrate(tuned, images), tuple(notes))


def _notes(pruning: FilterPruning) -> Iterator[str]:
    """Say which layers kept their filters, reason by reason."""
    by_reason: dict[str, list[str]] = {}
    for kept in pruning.kept:
        by_reason.setdefault(kept.reason, []).append(kept.layer)
    for reason, layers in by_reason.items():
        yield f"filters of {', '.join(layers)} are kept: {reason}"
