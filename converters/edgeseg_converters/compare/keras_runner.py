"""The Keras model itself, run in TensorFlow: the reference for its bundles."""

from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding, Manifest, Preprocessing
from edgeseg.errors import ModelError
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.assemble import hash_model
from edgeseg_converters.keras.chosen_output import choose_output
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.logits import (
    Activation,
    complete_logits,
    ending_activation,
    ends_in_softmax,
)
from edgeseg_converters.keras.model_file import load_model
from edgeseg_converters.keras.output_grid import output_field
from edgeseg_converters.keras.output_image import with_image_output
from edgeseg_converters.keras.quiet import import_tensorflow


class KerasRunner:
    """Runs a trained Keras model slice by slice, at the size it was saved with.

    A model of no fixed size runs at that of the bundle, and one that ends in logits gets the
    activation that its bundles have.

    Parameters
    ----------
    path
        A ``.keras`` or ``.h5`` file, or a SavedModel folder with a Keras graph.
    manifest
        Of a bundle, which says how a slice becomes the model's input.

    Raises
    ------
    ModelError
        If the model can't be read, or the bundle can't have been compiled from it.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        output = cast(int | str | None, manifest.settings.get("model_output"))
        model = choose_output(load_model(path), output)
        height, width = manifest.preprocessing.size
        shape = (height, width, manifest.preprocessing.channels)
        network = read_network(model, shape if _is_flexible(model) else None)
        activation = cast(Activation | None, manifest.settings.get("activation"))
        image = with_image_output(network.graph)
        graph, _ = complete_logits(image, activation)
        (_, rows, cols, channels) = graph.inputs[0].shape
        ending = "softmax" if ends_in_softmax(graph) else "sigmoid"
        own = _kind(channels, graph.tensors[graph.outputs[0]].shape[-1], ending)
        bundled = _kind(
            shape[-1], len(manifest.decoding.channels), _bundled_activation(manifest, path, ending)
        )
        if own != bundled:
            raise ModelError(
                f"{path} has {own}, the bundle of {manifest.model_name} {bundled}; give the model "
                "that the bundle was compiled from"
            )
        self.size = rows, cols
        self._output = graph.tensors[graph.outputs[0]].shape
        self._field = output_field(graph)
        self._model = model
        self._lacks = ending_activation(graph) if graph.outputs != image.outputs else None

    def __call__(self, image: ModelInput) -> NDArray[np.float32]:
        """Return the probabilities (1, H, W, labels) of an image (1, H, W, C)."""
        # Layer by layer: the graph compiler of TensorFlow 2.21 fuses convolution, sum and leaky
        # ReLU into something else, so traced models, and predict(), can be far off.
        tensorflow = import_tensorflow()
        (output,) = tensorflow.nest.flatten(self._model(image, training=False))
        finish = getattr(tensorflow.nn, self._lacks) if self._lacks else np.asarray
        return np.asarray(finish(tensorflow.reshape(output, self._output)), np.float32)

    def preprocessing(self, of_bundle: Preprocessing) -> Preprocessing:
        """Return how slices become this model's input: as for its bundle, at its own size."""
        return msgspec.structs.replace(of_bundle, size=self.size)

    def decoding(self, of_bundle: Decoding) -> Decoding:
        """Return how this model's output becomes a mask: as its bundle's, on its own grid."""
        field = msgspec.UNSET if self._field is None else self._field
        return msgspec.structs.replace(of_bundle, field=field)


def _kind(channels: int, made: int, activation: str) -> str:
    """Say in words what enters and leaves a network."""
    return f"{channels} channel(s) in and {made} of {activation} out"


def _bundled_activation(manifest: Manifest, path: Path, own: str) -> str:
    """Return the activation that a bundle's model ends in, as far as the bundle tells.

    Sigmoids with a background are decoded as a softmax is: the likeliest channel wins.
    """
    decoded = manifest.decoding.activation
    same_file = manifest.model_sha256 == hash_model(path)
    return own if decoded == "softmax" and own == "sigmoid" and same_file else decoded


def _is_flexible(model: Any) -> bool:
    """Say whether the model leaves open how many rows, columns or channels an image has."""
    inputs = getattr(model, "inputs", None)
    return not inputs or None in tuple(inputs[0].shape)[1:]
