"""Models of every input range find the same in one slice: where HU are at least 128."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from processes import edgeseg, one_line

from edgeseg.bundle.bundle_file import Bundle
from edgeseg_converters.keras.quiet import import_keras, quiet

_KERAS = import_keras()
_STEEP = 60.0
_SIZE = 64


def _model(path: Path, scale: float, offset: float, before: Any = None) -> Path:
    """Save a sigmoid that is one half where the grey level is 127.5 to 128."""
    image = _KERAS.Input((_SIZE, _SIZE, 1))
    head = _KERAS.layers.Conv2D(
        1,
        1,
        activation="sigmoid",
        kernel_initializer=_KERAS.initializers.Constant(scale),
        bias_initializer=_KERAS.initializers.Constant(offset),
        name="head",
    )
    model = _KERAS.Model(image, head(image if before is None else before(image)))
    with quiet():
        model.save(path)
    return path


@pytest.mark.parametrize(
    ("expected", "words", "scale", "offset", "rescales"),
    [
        ((0.0, 1.0), (), _STEEP, -_STEEP / 2, False),
        ((0.0, 255.0), (), _STEEP, -_STEEP / 2, True),
        ((0.0, 255.0), ("--input-range", "0,255"), _STEEP / 255, -_STEEP / 2, False),
        ((-1.0, 1.0), ("--input-range", "-1,1"), _STEEP / 2, 0.0, False),
    ],
    ids=["unit", "rescaling", "grey", "signed"],
)
def test_a_model_gets_the_numbers_it_was_trained_on(  # noqa: PLR0917 - a row of the table
    tmp_path: Path,
    expected: tuple[float, float],
    words: tuple[str, ...],
    scale: float,
    offset: float,
    rescales: bool,
) -> None:
    before = _KERAS.layers.Rescaling(1 / 255) if rescales else None
    model = _model(tmp_path / "model.keras", scale, offset, before)
    grey = np.random.default_rng(2).integers(0, 256, (_SIZE, _SIZE), np.uint8)
    Image.fromarray(grey).save(tmp_path / "slice.png")
    bundle, mask = tmp_path / "m.edgeseg", tmp_path / "mask.png"
    converted = edgeseg("convert", model, "-o", bundle, *words)
    assert converted.code == 0, converted.err
    assert ("grey levels" in converted.err + converted.out) is rescales
    assert Bundle(bundle).manifest.preprocessing.input_range == expected
    assert "fed as {:g} to {:g}".format(*expected) in edgeseg("info", bundle).out
    assert edgeseg("segment", bundle, tmp_path / "slice.png", "-o", mask, "--local", 1).code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(mask)) > 0, grey >= 128)


@pytest.mark.parametrize(
    ("text", "complaint"), [("5", "is no pair of numbers"), ("5,1", "the lower one first")]
)
def test_a_range_that_is_none_is_refused(tiny_folder: Path, text: str, complaint: str) -> None:
    words = ("-o", tiny_folder / "x.edgeseg", "--input-range", text)
    one_line(edgeseg("convert", tiny_folder / "tiny.keras", *words), 2, complaint)
