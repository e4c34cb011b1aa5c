"""Which channel is the background, and what the others mean: right, or asked about."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import edgeseg, one_line

from edgeseg_converters.keras.quiet import import_keras, quiet

_SIZE = 64
_BRIGHT, _DARK = (60.0, -42.0), (-60.0, 12.0)
"""Slope and offset of the logit of what is above 0.7, and below 0.2."""
_BACKGROUND, _NEVER = (0.0, 0.0), (0.0, -9.0)


def _model(folder: Path, activation: str, *lines: tuple[float, float]) -> Path:
    """Save a model of one channel a line."""
    keras = import_keras()
    image = keras.Input((_SIZE, _SIZE, 1))
    layer = keras.layers.Conv2D(len(lines), 1, activation=activation)
    model = keras.Model(image, layer(image))
    slopes, offsets = zip(*lines, strict=True)
    layer.set_weights([np.reshape(slopes, (1, 1, 1, -1)), np.array(offsets)])
    with quiet():
        model.save(folder / "model.keras")
    return folder / "model.keras"


def _slice(folder: Path) -> Path:
    """Draw a bright and a dark organ."""
    grey = np.full((_SIZE, _SIZE), 110, np.uint8)
    grey[8:24, 8:24], grey[40:56, 30:50] = 240, 10
    Image.fromarray(grey).save(folder / "slice.png")
    return folder / "slice.png"


@pytest.mark.parametrize(
    ("activation", "lines", "flags", "found"),
    [
        ("softmax", (_BRIGHT, _DARK, _BACKGROUND), ("--background", "last"), (1, 2, 0)),
        ("softmax", (_DARK, _BACKGROUND, _BRIGHT), ("--background", "1"), (2, 1, 0)),
        ("linear", (_BRIGHT, _DARK, _BACKGROUND), ("--labels", "a,b,background"), (1, 2, 0)),
        ("sigmoid", ((-60.0, 42.0), _BRIGHT), ("--background", "first"), (1, 0, 0)),
        ("sigmoid", (_BRIGHT, _DARK, _NEVER), (), (1, 2, 0)),
        ("sigmoid", (_BRIGHT, _DARK, _NEVER), ("--regions", "nested"), (1, 3, 0)),
        ("linear", (_BRIGHT, _DARK), ("--activation", "sigmoid"), (1, 2, 0)),
        ("linear", ((1.0, 0.0),), ("--activation", "none"), (1, 0, 0)),
    ],
)
def test_each_organ_gets_its_label(
    tmp_path: Path,
    activation: str,
    lines: tuple[tuple[float, float], ...],
    flags: tuple[str, ...],
    found: tuple[int, int, int],
) -> None:
    model, picture = _model(tmp_path, activation, *lines), _slice(tmp_path)
    bundle, mask = tmp_path / "m.edgeseg", tmp_path / "mask.png"
    converted = edgeseg("convert", model, "-o", bundle, *flags)
    assert converted.code == 0, converted.err
    assert "mask: " in converted.out
    assert "mask  " in edgeseg("info", bundle).out
    assert edgeseg("segment", bundle, picture, "-o", mask, "--local", 1).code == 0
    pixels = np.asarray(Image.open(mask))
    assert (pixels[16, 16], pixels[45, 40], pixels[30, 5]) == found


@pytest.mark.parametrize(
    ("activation", "lines", "said"),
    [
        ("softmax", (_BRIGHT, _DARK, _BACKGROUND), "--background N, 0 to 2, or none"),
        ("sigmoid", ((-60.0, 42.0), _BRIGHT), "give --background 0 if that is the background"),
        ("linear", ((1.0, 0.0),), "give --activation none if these are probabilities"),
    ],
)
def test_a_guess_that_the_model_contradicts_is_a_question(
    tmp_path: Path, activation: str, lines: tuple[tuple[float, float], ...], said: str
) -> None:
    model, bundle = _model(tmp_path, activation, *lines), tmp_path / "m.edgeseg"
    for words in ((), ("--dry-run",)):
        one_line(edgeseg("convert", model, "-o", bundle, *words), 2, said)
    assert not bundle.exists()


def test_a_background_beside_regions_is_refused(tmp_path: Path) -> None:
    model = _model(tmp_path, "sigmoid", _BRIGHT, _DARK, _NEVER)
    words = ("convert", model, "-o", tmp_path / "m.edgeseg")
    nested = ("--regions", "nested", "--background", "0")
    one_line(edgeseg(*words, *nested), 2, "--regions exclusive")
    one_line(edgeseg(*words, "--background", "middle"), 2, "is no channel")
