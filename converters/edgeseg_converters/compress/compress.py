"""Compresses a whole network before it is cut: filters, zeros, fine-tuning, rounding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from edgeseg.progress import Progress, silent
from edgeseg.text.units import format_count
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.finetune.tune import fine_tune
from edgeseg_converters.compress.fitting.recalibrate import recalibrate
from edgeseg_converters.compress.prune.filters import FilterPruning, prune_filters
from edgeseg_converters.compress.prune.kernels import sparsity_by_layer
from edgeseg_converters.compress.prune.magnitude import zero_weights
from edgeseg_converters.compress.prune.refit import refit
from edgeseg_converters.compress.recipe import Filters, Recipe
from edgeseg_converters.compress.rounding.round import round_weights
from edgeseg_converters.network import ChannelMasks, Network


@dataclass(frozen=True)
class Compressed:
    """A network that is smaller or has zeros.

    Attributes
    ----------
    left
        Which channels of a tensor are left, by its name, where filters were removed.
    notes
        What the user should know of how it went, a line each.
    """

    network: Network
    left: ChannelMasks = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def compress(
    original: Network,
    recipe: Recipe,
    images: Sequence[ModelInput],
    progress: Progress = silent,
) -> Compressed:
    """Prune filters, then weights, fine-tune the network, and round it.

    Channels run across pieces through the skips, so all this is done before the network is cut.
    Batch statistics follow after every step: those of the unpruned network are wrong.

    Parameters
    ----------
    original
        The network as it was trained.
    recipe
        The steps.
    images
        Unlabelled slices as model inputs, (1, H, W, C) each.
    progress
        Told how far each step is.

    Raises
    ------
    UsageError
        If a step needs slices and there are none, or names a layer that it can't prune.
    """
    pruned = _without_filters(original, recipe.filters, images, progress)
    network = _with_zeros_and_training(original, pruned.network, recipe, images, progress)
    if recipe.rounding is not None:
        network = round_weights(network, images, recipe.rounding, progress)
    return replace(pruned, network=network)


def _without_filters(
    network: Network, filters: Filters | None, images: Sequence[ModelInput], progress: Progress
) -> Compressed:
    """Remove filters, unless the network is small already."""
    if filters is None:
        return Compressed(network)
    request = filters.of(network.graph.parameters)
    if request is None:
        note = (
            f"all filters are kept: the network has {format_count(network.graph.parameters)} "
            f"parameters, and the recipe prunes above {format_count(filters.above)}"
        )
        return Compressed(network, notes=(note,))
    pruning = prune_filters(network, request, images, progress)
    if images:
        fitted = refit(pruning, network, images, progress)
    else:
        fitted = recalibrate(pruning.network, ())
    return Compressed(fitted, pruning.channels, tuple(_notes(pruning)))


def _with_zeros_and_training(
    original: Network,
    network: Network,
    recipe: Recipe,
    images: Sequence[ModelInput],
    progress: Progress,
) -> Network:
    """Set weights to zero, and fine-tune what that and pruned filters have changed."""
    zeroed = network
    if recipe.zeros is not None:
        zeroed = recalibrate(zero_weights(network, recipe.zeros), images, progress)
    tuning = recipe.finetune
    if tuning is None or (zeroed is original and not tuning.quantization_aware):
        return zeroed
    # A pattern can't grow gradually; a share of zeros can.
    start = zeroed if recipe.zeros is not None and recipe.zeros.pattern else network
    sparsity = {} if recipe.zeros is None else sparsity_by_layer(zeroed)
    tuned = fine_tune(start, original, images, tuning, sparsity, progress)
    return recalibrate(tuned, images, progress)


def _notes(pruning: FilterPruning) -> Iterator[str]:
    """Say which layers kept their filters, reason by reason."""
    by_reason: dict[str, list[str]] = {}
    for whole in pruning.kept:
        by_reason.setdefault(whole.reason, []).append(whole.layer)
    for reason, layers in by_reason.items():
        yield f"filters of {', '.join(layers)} are kept: {reason}"
