"""How far a student's probabilities are from its teacher's."""

from typing import Any

from edgeseg_converters.keras.quiet import import_tensorflow

_LEAST = 1e-6
"""No logarithm is taken of less."""
_SMOOTH = 1.0
"""Keeps Dice of an empty channel defined."""


def distance(student: Any, teacher: Any, *, exclusive: bool) -> Any:
    """Return soft Dice loss plus relative cross-entropy; 0 where both say the same.

    Dice, with squares in the denominator (Milletari et al. 2016, "V-Net", section 3), runs over
    the whole batch, channel by channel. The cross-entropy is less the teacher's own entropy, which
    no student can change.

    Parameters
    ----------
    student, teacher
        Probabilities, tensors (N, H, W, C).
    exclusive
        Whether the channels of a pixel sum to 1 (softmax) or each stands alone (sigmoid).
    """
    tensorflow = import_tensorflow()
    entropy = _relative_entropy(tensorflow, student, teacher)
    if not exclusive:
        entropy += _relative_entropy(tensorflow, 1 - student, 1 - teacher)
    axes = tuple(range(len(student.shape) - 1))
    both = tensorflow.reduce_sum(student * teacher, axes)
    either = tensorflow.reduce_sum(student**2 + teacher**2, axes)
    dice = (2 * both + _SMOOTH) / (either + _SMOOTH)
    pixels = tensorflow.reduce_sum(entropy, -1) if exclusive else entropy
    return tensorflow.reduce_mean(pixels) + 1 - tensorflow.reduce_mean(dice)


def _relative_entropy(tensorflow: Any, student: Any, teacher: Any) -> Any:
    log = tensorflow.math.log
    return teacher * (
        log(tensorflow.maximum(teacher, _LEAST)) - log(tensorflow.maximum(student, _LEAST))
    )
