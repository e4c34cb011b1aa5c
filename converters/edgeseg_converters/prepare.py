"""A model on disk to a network that can be cut: what stands before every compile."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.bundle.manifest import Decoding, Label, Preprocessing
from edgeseg.files.atomic import check_writable
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.calibration import MAX_SLICES, noise_images, real_images
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.logits import complete_logits, decoding
from edgeseg_converters.keras.model_file import load_model
from edgeseg_converters.network import Network
from edgeseg_converters.options import Settings
from edgeseg_converters.rewrite.cse import merge_common_subexpressions

CHECKED_SLICES = 4
TUNING_SLICES = 512
"""What changes weights looks at so many slices at most."""


@dataclass(frozen=True)
class Prepared:
    """A network before it is compressed and cut.

    Attributes
    ----------
    network
        With logits completed and twins merged.
    decoding, labels
        How its output becomes a mask, and the names of what it finds.
    preprocessing
        How slices become its input.
    images
        Slices to calibrate and check on, (1, H, W, C) each; noise where none are given.
    notes
        What the user should know of it, a line each.
    """

    network: Network
    decoding: Decoding
    labels: tuple[Label, ...]
    preprocessing: Preprocessing
    images: list[ModelInput]
    notes: tuple[str, ...]


def check_outputs(*files: Path) -> None:
    """Refuse early files that could not be written at the end.

    Raises
    ------
    OutputError
        If a folder is missing or read-only.
    """
    for file in files:
        check_writable(file)


def prepare(
    model: Path,
    settings: Settings,
    labels: Sequence[str] | None,
    input_shape: tuple[int, ...] | None,
) -> Prepared:
    """Read a model, and the slices that it is calibrated on.

    Parameters
    ----------
    model, labels, input_shape
        As for :func:`edgeseg_converters.convert`.
    settings
        What it is compiled with.

    Raises
    ------
    ModelError
        If the model can't be read or compiled.
    UsageError
        If the labels are not as many as the output's channels.
    VolumeError
        If the slices can't be read.
    """
    network = read_network(load_model(model), input_shape)
    graph, note = complete_logits(network.graph)
    network = merge_common_subexpressions(Network(graph, network.weights))
    how, named = decoding(network.graph, labels)
    preprocessing = settings.preprocessing(network.graph.inputs[0])
    images = _images(settings, preprocessing)
    return Prepared(network, how, named, preprocessing, images, (note,) if note else ())


def _images(settings: Settings, preprocessing: Preprocessing) -> list[ModelInput]:
    """Read the slices to calibrate and check on, or make some up."""
    if settings.calibration is None:
        return noise_images(preprocessing, CHECKED_SLICES)
    changes = settings.recipe.finetune is not None or settings.recipe.rounding is not None
    most = TUNING_SLICES if changes else MAX_SLICES
    return real_images(settings.calibration, preprocessing, most)
