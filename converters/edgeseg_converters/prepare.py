"""Reads a model and its slices: the network before it is compressed and cut."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeseg.bundle.manifest import Decoding, Label, Preprocessing
from edgeseg.bundle.manifest_checks import tiles_contradiction
from edgeseg.bundle.meaning import describe_field
from edgeseg.bundle.rules import Rule
from edgeseg.errors import ModelError, field_name
from edgeseg.postprocess.rules_file import NONE, read_rules
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.calibration import (
    MAX_SLICES,
    air_image,
    evenly_spaced,
    noise_images,
    real_images,
)
from edgeseg_converters.keras.chosen_output import choose_output
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.logits import complete_logits
from edgeseg_converters.keras.meaning_check import Views, check_logits, check_meaning
from edgeseg_converters.keras.model_file import load_model
from edgeseg_converters.keras.output_grid import output_field
from edgeseg_converters.keras.output_image import with_image_output
from edgeseg_converters.keras.output_meaning import decoding, is_stated
from edgeseg_converters.keras.stand_ins import stand_in_notes
from edgeseg_converters.network import Network
from edgeseg_converters.options import ConversionOptions
from edgeseg_converters.rewrite.cse import merge_common_subexpressions
from edgeseg_converters.rewrite.scalings import separate_scalings

CHECKED_SLICES = 4
"""Slices that the pieces are checked against the uncut model on."""

_VIEWED_SLICES = 2
"""Slices that what the channels mean is checked on, beside one of air."""

_TILE_STEP = 0.5
"""Unless it is said, half of a tile lies between it and the next."""

TUNING_SLICES = 512
"""Most slices that fine-tuning and rounding look at."""


@dataclass(frozen=True)
class Prepared:
    """A network before it is compressed and cut.

    Attributes
    ----------
    network
        With an activation behind logits, equal layers merged, and products with constants apart.
    decoding, labels
        How its output becomes a mask, and the names of what it finds.
    preprocessing
        How slices become its input.
    rules
        Post-processing of masks.
    images
        Slices to calibrate and check on, (1, H, W, C) each; noise where none are given.
    notes
        What the user should know, a line each.
    """

    network: Network
    decoding: Decoding
    labels: tuple[Label, ...]
    preprocessing: Preprocessing
    rules: tuple[Rule, ...]
    images: list[ModelInput]
    notes: tuple[str, ...]


def prepare(model: Path, options: ConversionOptions) -> Prepared:
    """Read a model, and the slices that it is calibrated and checked on.

    Parameters
    ----------
    model
        As for :func:`edgeseg_converters.convert`.
    options
        What it is compiled with.

    Raises
    ------
    ModelError
        If the model can't be read or compiled.
    UsageError
        If the labels are not as many as the output's channels, rules do not fit them, the chosen
        output is not there, or what a channel of the input or the output means has to be stated.
    VolumeError
        If the slices can't be read.
    """
    loaded = load_model(model)
    chosen = choose_output(loaded, options.model_output)
    network = read_network(chosen, options.input_shape)
    image = with_image_output(network.graph)
    graph, note = complete_logits(image, options.activation)
    field = output_field(graph)
    network = merge_common_subexpressions(Network(graph, network.weights))
    how, labels = decoding(network.graph, options.labels, options.background, options.regions)
    how = how if field is None else msgspec.structs.replace(how, field=field)
    rules = read_rules(options.postprocess or NONE, labels)
    preprocessing, fed_note = options.model_input.preprocessing(network)
    preprocessing = _tiled(preprocessing, how, options)
    images = _images(options, preprocessing)
    notes = [line for line in (note, fed_note) if line]
    notes += stand_in_notes(loaded)
    stated = is_stated(network.graph, options.labels, options.background, options.regions)
    views = Views(
        air_image(preprocessing),
        evenly_spaced(images, _VIEWED_SLICES),
        are_real=options.calibration is not None,
    )
    if note is not None and options.activation is None:
        check_logits(Network(image, network.weights), views)
    notes += check_meaning(network, how, views, stated=stated)
    return Prepared(
        separate_scalings(network), how, labels, preprocessing, rules, images, tuple(notes)
    )


def _tiled(
    preprocessing: Preprocessing, decoding: Decoding, options: ConversionOptions
) -> Preprocessing:
    """Return how slices become the input, in tiles where that is asked for.

    Raises
    ------
    ModelError
        If the output does not lie on the pixels of the input.
    """
    if options.field != "tiles":
        return preprocessing
    step = _TILE_STEP if options.tile_step is None else options.tile_step
    tiled = msgspec.structs.replace(preprocessing, tile_step=step)
    problem = tiles_contradiction(tiled, decoding)
    if problem is not None:
        raise ModelError(
            f"{field_name('field')} tiles can't be used: {problem}, and the output is "
            f"{describe_field(decoding)}; leave {field_name('field')} out"
        )
    return tiled


def _images(options: ConversionOptions, preprocessing: Preprocessing) -> list[ModelInput]:
    """Read the slices to calibrate and check on, or make noise; (1, H, W, C) each."""
    if options.calibration is None:
        return noise_images(preprocessing, CHECKED_SLICES)
    recipe = options.compression
    changes_weights = recipe.finetune is not None or recipe.rounding is not None
    limit = TUNING_SLICES if changes_weights else MAX_SLICES
    return real_images(options.calibration, preprocessing, limit)
