"""The training loop: batches through teacher and student, step by compiled step."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg_converters.compress.augmentation import Pixels
from edgeseg_converters.compress.finetune.keras_2 import variables_of
from edgeseg_converters.compress.finetune.loss import distance
from edgeseg_converters.compress.finetune.sparsity import Masks
from edgeseg_converters.keras.quiet import import_tensorflow, import_tf_keras, quiet

_WARM_UP = 0.05
"""Share of the steps over which the rate rises."""
_LAST = 0.01
"""The last rate, as a share of the highest."""


@dataclass(frozen=True)
class RateSchedule:
    """A number of steps, and the learning rate at each."""

    steps: int
    highest: float

    def rate(self, step: int) -> float:
        """Return the rate of a step: a linear warm-up, then a cosine decay."""
        warm_up = max(1, round(_WARM_UP * self.steps))
        if step < warm_up:
            return self.highest * (step + 1) / warm_up
        done = (step - warm_up) / max(1, self.steps - 1 - warm_up)
        return self.highest * (_LAST + (1 - _LAST) * (1 + math.cos(math.pi * done)) / 2)


@dataclass(frozen=True)
class Distillation:
    """What a student is trained on: a teacher's probabilities for batches of one size."""

    teacher: Any
    batches: Iterator[Pixels]
    batch: int
    schedule: RateSchedule
    exclusive: bool
    """Whether the channels of the answers sum to 1."""


def train(
    student: Any,
    distillation: Distillation,
    steps: range,
    masks: Masks,
    advance: Callable[[float], None],
) -> None:
    """Train a tf_keras model in place.

    Parameters
    ----------
    steps
        Which steps of the schedule these are.
    masks
        Weights that are zero after every step.
    advance
        Called after each step with its loss.
    """
    tensorflow, tf_keras = import_tensorflow(), import_tf_keras()
    optimizer = tf_keras.optimizers.Adam(distillation.schedule.highest)
    optimizer.build(student.trainable_variables)
    step = _compiled_step(tensorflow, student, distillation, optimizer, masks)
    for number in steps:
        rate = tensorflow.constant(distillation.schedule.rate(number), tensorflow.float32)
        advance(float(step(tensorflow.constant(next(distillation.batches)), rate)))


@contextmanager
def true_graphs() -> Iterator[None]:
    """Keep TensorFlow from fusing operations while the block runs.

    With oneDNN, TensorFlow 2.21 fuses convolution, sum and leaky ReLU into something else.
    """
    optimizer = import_tensorflow().config.optimizer
    before = optimizer.get_experimental_options().get("remapping", True)
    optimizer.set_experimental_options({"remapping": False})
    try:
        yield
    finally:
        optimizer.set_experimental_options({"remapping": before})


def _compiled_step(
    tensorflow: Any, student: Any, distillation: Distillation, optimizer: Any, masks: Masks
) -> Any:
    variables = student.trainable_variables
    held = list(_masked(student, masks))

    def step(images: Any, rate: Any) -> Any:
        answers = distillation.teacher(images, training=False)
        with tensorflow.GradientTape() as tape:
            loss = distance(
                student(images, training=True), answers, exclusive=distillation.exclusive
            )
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for variable, mask in held:
            variable.assign(variable * mask)
        return loss

    shape = (distillation.batch, *student.inputs[0].shape[1:])
    specs = (tensorflow.TensorSpec(shape), tensorflow.TensorSpec(()))
    with quiet():
        return tensorflow.function(step, autograph=False).get_concrete_function(*specs)


def _masked(student: Any, masks: Masks) -> Iterator[tuple[Any, Any]]:
    """Yield every masked variable of a model, wrapped or not, with its mask."""
    variables = variables_of(student)
    for layer, kernels in masks.items():
        for name, mask in kernels.items():
            yield variables[layer][name], mask.astype(np.float32)
