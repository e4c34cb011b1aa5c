"""Sparsity during training: a polynomial schedule of zeros, and masks that stay."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg_converters.compress.finetune.keras_2 import variable_name
from edgeseg_converters.keras.quiet import import_model_optimization, import_tf_keras
from edgeseg_converters.keras.rebuild import scope_name

Masks: TypeAlias = Mapping[str, Mapping[str, NDArray[np.bool_]]]
"""Which weights may differ from zero, by layer and by name of the variable."""

_GROWTH = 2 / 3
"""Share of the steps over which the zeros grow."""
_UPDATES = 20
"""How often at most the masks are chosen anew."""
_ROUNDING = 1e-6


def too_dense(model: Any, sparsity: Mapping[str, float]) -> list[str]:
    """Name the layers of a tf_keras model that have fewer zeros than they are to have."""
    return [name for name, share in sparsity.items() if _present(model, name) < share - _ROUNDING]


def masks_of(model: Any, layers: Iterable[str]) -> Masks:
    """Return where the kernels of these layers of a tf_keras model differ from zero now."""
    return {
        scope_name(name): {
            variable_name(kernel): kernel.numpy() != 0
            for kernel in _kernels(model.get_layer(scope_name(name)))
        }
        for name in layers
    }


def with_growing_zeros(model: Any, sparsity: Mapping[str, float], steps: int) -> Any:
    """Wrap layers so that their share of zeros grows to a final one, and stays.

    The model shares its layers with the one given, so they are trained together.

    Parameters
    ----------
    model
        A tf_keras model.
    sparsity
        Final share of zeros in every kernel, by layer.
    steps
        Length of the training.
    """
    pruning = import_model_optimization().sparsity.keras
    final = {scope_name(name): share for name, share in sparsity.items()}
    every, end = _updates(steps)

    def wrap(layer: Any) -> Any:
        if layer.name not in final:
            return layer
        kernels = list(_kernels(layer))
        # Of its own accord the library leaves depth-wise kernels alone.
        layer.get_prunable_weights = lambda: kernels
        schedule = pruning.PolynomialDecay(
            _present(model, layer.name), _reachable(kernels, final[layer.name]), 0, end, 3, every
        )
        return pruning.prune_low_magnitude(layer, schedule)

    wrapped = import_tf_keras().models.clone_model(model, clone_function=wrap)
    _callback(wrapped)
    return wrapped


def apply_masks(wrapped: Any) -> None:
    """Zero what the masks of a trained model hide; its last step has moved it."""
    _callback(wrapped).on_epoch_end(0)


def _callback(wrapped: Any) -> Any:
    """Start the steps that the schedules count, if they have not begun."""
    callback = import_model_optimization().sparsity.keras.UpdatePruningStep()
    callback.set_model(wrapped)
    callback.on_train_begin()
    return callback


def _updates(steps: int) -> tuple[int, int]:
    """Return after how many steps masks are updated, and the step of the last update.

    The last one must fall on the grid, or the final share would not be reached.
    """
    growth = max(1, int(_GROWTH * steps))
    every = max(1, growth // _UPDATES)
    return every, growth // every * every


def _reachable(kernels: Iterable[Any], share: float) -> float:
    """Return a share that leaves in no kernel more weights than asked, float32 or not.

    The number of weights kept is rounded from a float32 product; a quarter of a weight less
    rounds the right way. One weight stays in every kernel: the schedule can't end at all zeros.
    """
    sizes = [math.prod(map(int, kernel.shape)) for kernel in kernels]
    counts = [max(1, math.floor(size * (1 - share) + _ROUNDING)) for size in sizes]
    return max(1 - (keep - 0.25) / size for keep, size in zip(counts, sizes, strict=True))


def _present(model: Any, name: str) -> float:
    """Return the share of zeros among a layer's kernel weights."""
    arrays = [kernel.numpy() for kernel in _kernels(model.get_layer(scope_name(name)))]
    nonzero = sum(int(np.count_nonzero(array)) for array in arrays)
    total: int = sum(array.size for array in arrays)
    return 1 - nonzero / total


def _kernels(layer: Any) -> Iterator[Any]:
    """Yield the kernels of a layer of tf_keras, where separable ones have two."""
    return (variable for variable in layer.weights if variable_name(variable).endswith("kernel"))
