"""The training itself: loss, schedule, and epochs of augmented slices."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from augment import Frame, augment
from data import SIZE, Shelf
from transplant import donors_of

from edgeseg.labelled import LabelledSlice, by_patient
from edgeseg.labelled.labels import TUMOR
from edgeseg.output.terminal import progress

FRAMES = (
    (0.45, Frame(rows=160, columns=192, size=192)),
    (0.88, Frame(rows=192, columns=224, size=SIZE)),
    (1.0, Frame(rows=SIZE, columns=SIZE, size=SIZE)),
)
"""Up to which share of a training slices are seen how.

Small and cropped to the body first, which is cheap; whole at last: borders and batch statistics as
in use.
"""
SLICES_A_PATIENT = 6
"""At most so many in an epoch, or patients with many slices would drown the others."""
DONORS = 200
"""Tumours and tissue are taken from at most so many slices."""
WARM_UP_SHARE = 0.02
SMALL = 30
"""Pixels: in one slice, an error of far fewer weighs little."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides a training's result, together with the model's start and the data."""

    epochs: int
    minutes: float
    batch: int
    rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class EpochLog:
    """One row of the log.

    Dice of held-out patients is ``nan`` where it was not measured; ``saved`` is 1 where a
    checkpoint was written.
    """

    epoch: int
    seconds: float
    done: float
    rate: float
    loss: float
    kidney_and_mass: float = math.nan
    tumor: float = math.nan
    saved: int = 0


def dice_and_cross_entropy(truth: Any, found: Any) -> Any:
    """1 - soft Dice, averaged over regions, plus binary cross-entropy.

    Dice is the mean of that over the batch, which tumours of few slices need, and of each slice's
    own: there what is found in a slice that shows nothing costs as much as a kidney missed. Pixels
    where the truth is negative are unknown: nothing is asked of them.
    """
    known = keras.ops.cast(truth >= 0, found.dtype)
    truth, found = truth * known, found * known
    dice = (_soft_dice(truth, found, (0, 1, 2), 1) + _soft_dice(truth, found, (1, 2), SMALL)) / 2
    return 1 - dice + keras.ops.mean(keras.losses.binary_crossentropy(truth, found))


def _soft_dice(truth: Any, found: Any, axes: tuple[int, ...], smooth: float) -> Any:
    overlap = keras.ops.sum(truth * found, axes)
    total = keras.ops.sum(truth, axes) + keras.ops.sum(found, axes)
    return keras.ops.mean((2 * overlap + smooth) / (total + smooth))


def with_tumor_twice(slices: Sequence[LabelledSlice], shelf: Shelf) -> list[LabelledSlice]:
    """Return the slices, those that show a tumour a second time: they are the fewer."""
    shown = [piece for piece in slices if (shelf.read(piece).label == TUMOR).any()]
    return [*slices, *shown]


def draw_epoch(
    slices: Sequence[LabelledSlice], seed: int, epoch: int
) -> tuple[list[LabelledSlice], np.random.Generator]:
    """Choose and shuffle the slices of one epoch; also the generator that augments them."""
    rng = np.random.default_rng((seed, epoch))
    shuffled = [slices[index] for index in rng.permutation(len(slices))]
    groups = by_patient(shuffled).values()
    chosen = [piece for some in groups for piece in some[:SLICES_A_PATIENT]]
    return [chosen[index] for index in rng.permutation(len(chosen))], rng


def rate_at(done: float, peak: float) -> float:
    """Learning rate after a share of the training: a short warm-up, then a cosine to 1 %."""
    warm = min(1.0, (done + 1e-3) / WARM_UP_SHARE)
    return peak * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * min(done, 1.0))) / 2)


def frame_at(done: float) -> Frame:
    """How slices are seen after a share of the training."""
    return next((frame for end, frame in FRAMES if done < end), FRAMES[-1][1])


def fit(
    model: Any,
    slices: Sequence[LabelledSlice],
    shelf: Shelf,
    plan: Plan,
    past: EpochLog | None = None,
) -> Iterator[EpochLog]:
    """Train a compiled model epoch by epoch, on from a past one if given.

    The schedule follows the epochs or the minutes, whichever is further on. With endless minutes
    the same start, plan and data give the same weights.
    """
    epoch, before = (past.epoch, past.seconds) if past else (0, 0.0)
    start = time.monotonic()
    drawn_from = with_tumor_twice(slices, shelf)
    some = slices[:: -(-len(slices) // DONORS)]
    donors = donors_of(((piece.patient, shelf.read(piece)) for piece in some), SIZE)

    def done(epochs: float) -> float:
        return max(epochs / plan.epochs, seconds() / (60 * plan.minutes))

    def seconds() -> float:
        return before + time.monotonic() - start

    while done(epoch) < 1:
        chosen, rng = draw_epoch(drawn_from, plan.seed, epoch)
        # A batch of another size would be traced and compiled anew.
        chosen = chosen[: max(len(chosen) // plan.batch, 1) * plan.batch]
        losses: list[float] = []
        with progress(len(chosen), f"epoch {epoch + 1}", "slices") as advance:
            for at in range(0, len(chosen), plan.batch):
                share = done(epoch + at / len(chosen))
                if losses and share >= 1:
                    break
                rate, frame = rate_at(share, plan.rate), frame_at(share)
                model.optimizer.learning_rate.assign(rate)
                batch = [shelf.read(piece) for piece in chosen[at : at + plan.batch]]
                augmented = [augment(example, frame, donors, rng) for example in batch]
                images, targets = zip(*augmented, strict=True)
                losses.append(float(model.train_on_batch(np.stack(images), np.stack(targets))))
                advance(len(batch))
        epoch += 1
        yield EpochLog(epoch, seconds(), done(epoch), rate, float(np.mean(losses)))
