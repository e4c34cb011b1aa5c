"""Batch normalization folded into the convolutions before it: the same function, fewer layers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from data import SIZE
from train import Network

from edgeseg.files.atomic import atomic_path


def folded(model: Any, network: Network) -> Any:
    """Return the network without batch normalization that does the same.

    A deep network without it hardly learns from few slices: its outputs fall to zero within an
    epoch and stay there. Folded away after training, it leaves the plain network.

    Parameters
    ----------
    model
        A trained network with batch normalization, without separable convolutions.
    network
        Its dimensions.
    """
    plain = replace(network, batch_norm=False).build(SIZE)
    names = {layer.name for layer in model.layers}
    for layer in plain.layers:
        if not layer.weights:
            continue
        arrays = model.get_layer(layer.name).get_weights()
        if f"{layer.name}_norm" in names:
            arrays = _scaled(arrays[0], model.get_layer(f"{layer.name}_norm"))
        layer.set_weights(arrays)
    return plain


def write_folded(trained: Path, target: Path, network: Network) -> None:
    """Write the folded network of a trained one, unless it is there already."""
    if not target.is_file() or target.stat().st_mtime < trained.stat().st_mtime:
        plain = folded(keras.models.load_model(trained, compile=False), network)
        with atomic_path(target) as part:
            plain.save(part)


def _scaled(kernel: Any, norm: Any) -> list[Any]:
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [kernel * scale, beta - mean * scale]
