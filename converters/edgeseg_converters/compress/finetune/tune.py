"""Fine-tuning without labels: distillation from the uncompressed network.

Hinton et al. 2015, "Distilling the knowledge in a neural network", arXiv:1503.02531.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from edgeseg.errors import ModelError, UsageError, field_name
from edgeseg.progress import Progress, silent
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.augmentation import batches
from edgeseg_converters.compress.finetune.awareness import quantization_aware
from edgeseg_converters.compress.finetune.keras_2 import to_keras_2, weights_of
from edgeseg_converters.compress.finetune.sparsity import (
    apply_masks,
    masks_of,
    too_dense,
    with_growing_zeros,
)
from edgeseg_converters.compress.finetune.training import (
    Distillation,
    RateSchedule,
    train,
    true_graphs,
)
from edgeseg_converters.compress.recipe import FineTuning
from edgeseg_converters.keras.logits import ends_in_softmax
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.subsampling import select_before_points

LossCallback: TypeAlias = Callable[[float], None]
"""Takes the loss of a step."""

_NO_SPARSITY: Mapping[str, float] = MappingProxyType({})
_AWARE = 1 / 3
"""Share of the steps that are quantization-aware, where any are: the last ones."""


def fine_tune(  # noqa: PLR0913, PLR0917 - two networks and how one learns from the other
    network: Network,
    teacher: Network,
    images: Sequence[ModelInput],
    tuning: FineTuning,
    sparsity: Mapping[str, float] = _NO_SPARSITY,
    progress: Progress = silent,
) -> Network:
    """Train a compressed network to give the probabilities of the uncompressed one.

    No labels are needed: the teacher answers on the augmented slices themselves. Same seed, same
    weights. Batch statistics are those of the training; recalibrate them afterwards.

    Parameters
    ----------
    network
        What learns; it may have fewer filters than the teacher, and zeros.
    teacher
        The uncompressed network, of the same input and output.
    images
        Unlabelled slices as model inputs, (1, H, W, C) each.
    tuning
        How long, how fast, and whether the last steps are quantization-aware.
    sparsity
        Share of zeros that the kernels end with, by layer. Where the network has them already
        they stay where they are; elsewhere they grow from the share there is.
    progress
        Told how many steps are done, and the loss.

    Raises
    ------
    UsageError
        If there are no images.
    ModelError
        If the two networks read or make different shapes.
    """
    _check(network, teacher, images)
    steps = tuning.epochs * math.ceil(len(images) / tuning.batch)
    distillation = Distillation(
        to_keras_2(teacher, "teacher"),
        batches(images, tuning.batch, tuning.seed),
        tuning.batch,
        RateSchedule(steps, tuning.rate),
        ends_in_softmax(teacher.graph),
    )
    turn = steps - int(_AWARE * steps) if tuning.quantization_aware else steps
    with true_graphs(), progress(steps, "fine-tuning") as advance:

        def report(loss: float) -> None:
            advance(note=f"fine-tuning, loss {loss:.3f}")

        network = _in_float(network, distillation, range(turn), sparsity, report)
        if tuning.quantization_aware:
            last_steps = range(turn, steps)
            return _quantization_aware(network, distillation, last_steps, sparsity, report)
        return network


def _in_float(
    network: Network,
    distillation: Distillation,
    steps: range,
    sparsity: Mapping[str, float],
    report: LossCallback,
) -> Network:
    """Train as usual, while zeros grow where there are too few."""
    student = to_keras_2(select_before_points(network), "student")
    growing = too_dense(student, sparsity)
    masks = masks_of(student, sparsity.keys() - growing)
    if growing:
        shares = {name: sparsity[name] for name in growing}
        wrapped = with_growing_zeros(student, shares, len(steps))
        train(wrapped, distillation, steps, masks, report)
        apply_masks(wrapped)
    else:
        train(student, distillation, steps, masks, report)
    return Network(network.graph, weights_of(student, network.graph))


def _quantization_aware(
    network: Network,
    distillation: Distillation,
    steps: range,
    sparsity: Mapping[str, float],
    report: LossCallback,
) -> Network:
    """Train as if in int8; zeros stay where they are."""
    student = to_keras_2(select_before_points(network), "student")
    masks = masks_of(student, sparsity)
    aware = quantization_aware(student, network.graph)
    train(aware, distillation, steps, masks, report)
    return Network(network.graph, weights_of(aware, network.graph))


def _check(network: Network, teacher: Network, images: Sequence[ModelInput]) -> None:
    if not images:
        raise UsageError(
            f"fine-tuning needs unlabelled slices; give them with {field_name('calibration')}"
        )
    shapes = [
        tuple(graph.tensors[name].shape for name in (graph.inputs[0].name, *graph.outputs))
        for graph in (network.graph, teacher.graph)
    ]
    if shapes[0] != shapes[1]:
        raise ModelError(
            f"the network maps {shapes[0][0]} to {shapes[0][1]}, its teacher {shapes[1][0]} to "
            f"{shapes[1][1]}; give the network it was compressed from"
        )
