"""Models whose output is smaller, larger or flat find what is there, where it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from processes import edgeseg, one_line

from edgeseg.bundle.bundle_file import Bundle
from edgeseg_converters.keras.quiet import import_keras, quiet

_KERAS = import_keras()
_LAYERS = _KERAS.layers
_SIZE, _STEEP = 64, 60.0


def _centre(kernel: int) -> Any:
    """Make a convolution without padding that takes the pixel in its middle."""
    weights = np.zeros((kernel, kernel, 1, 1))
    weights[kernel // 2, kernel // 2] = 1
    return _LAYERS.Conv2D(1, kernel, kernel_initializer=_KERAS.initializers.Constant(weights))


def _model(folder: Path, *steps: Callable[[Any], Any], end: Callable[[Any], Any]) -> Path:
    image = x = _KERAS.Input((_SIZE, _SIZE, 1))
    for step in steps:
        x = step(x)
    head = _LAYERS.Conv2D(
        1,
        1,
        kernel_initializer=_KERAS.initializers.Constant(_STEEP),
        bias_initializer=_KERAS.initializers.Constant(-_STEEP / 2),
    )
    model = _KERAS.Model(image, end(head(x)))
    with quiet():
        model.save(folder / "model.keras")
    return folder / "model.keras"


def _blocks() -> Any:
    """Draw blocks of 4 x 4 pixels, so that coarser outputs show them too."""
    bits = np.random.default_rng(5).integers(0, 2, (_SIZE // 4, _SIZE // 4), np.uint8)
    return np.kron(bits, np.ones((4, 4), np.uint8))


@pytest.mark.parametrize(
    ("steps", "flat", "margin"),
    [
        ((_centre(3), _centre(5)), False, 3),
        ((_LAYERS.UpSampling2D(),), False, 0),
        ((_LAYERS.UpSampling2D(), _centre(5)), False, 1),
        ((), True, 0),
        ((_centre(3),), True, 1),
    ],
    ids=["valid", "double", "double and valid", "flat", "flat and valid"],
)
def test_a_mask_lies_where_the_finding_is(
    tmp_path: Path, steps: tuple[Any, ...], flat: bool, margin: int
) -> None:
    sigmoid, flatten = _LAYERS.Activation("sigmoid"), _LAYERS.Flatten()
    model = _model(tmp_path, *steps, end=lambda x: sigmoid(flatten(x) if flat else x))
    blocks, bundle, mask = _blocks(), tmp_path / "m.edgeseg", tmp_path / "mask.png"
    Image.fromarray(blocks * 255).save(tmp_path / "slice.png")
    assert edgeseg("inspect", model).code == 0
    converted = edgeseg("convert", model, "-o", bundle, "--max-partitions", "2")
    assert converted.code == 0, converted.err
    assert edgeseg("info", bundle).code == 0
    run = edgeseg("segment", bundle, tmp_path / "slice.png", "-o", mask, "--local", "2")
    assert run.code == 0, run.err
    inside = slice(margin, _SIZE - margin)
    expected = np.zeros_like(blocks)
    expected[inside, inside] = blocks[inside, inside]
    np.testing.assert_array_equal(np.asarray(Image.open(mask)), expected)


def test_half_the_size_is_resampled(tmp_path: Path) -> None:
    model = _model(tmp_path, _LAYERS.MaxPooling2D(), end=_LAYERS.Activation("sigmoid"))
    blocks, bundle, mask = _blocks(), tmp_path / "m.edgeseg", tmp_path / "mask.png"
    Image.fromarray(blocks * 255).save(tmp_path / "slice.png")
    assert edgeseg("convert", model, "-o", bundle).code == 0
    assert edgeseg("segment", bundle, tmp_path / "slice.png", "-o", mask, "--local", "1").code == 0
    half = Image.fromarray(blocks[::2, ::2] * 255)
    expected = half.resize((_SIZE, _SIZE), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(np.asarray(Image.open(mask)), np.asarray(expected) >= 128)


def test_a_bundle_says_its_field_in_a_format_that_older_programs_refuse(tmp_path: Path) -> None:
    model = _model(tmp_path, _centre(3), end=_LAYERS.Activation("sigmoid"))
    assert edgeseg("convert", model, "-o", tmp_path / "m.edgeseg").code == 0
    assert Bundle(tmp_path / "m.edgeseg").manifest.format == 3
    said = " ".join(edgeseg("info", tmp_path / "m.edgeseg").out.split())
    assert "made at 62 x 62 for rows 1 to 63" in said


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (_LAYERS.GlobalAveragePooling2D(), "which is no image"),
        (_LAYERS.GlobalAveragePooling2D(keepdims=True), "reads 64x64 and makes 1x1"),
    ],
)
def test_what_makes_no_image_is_refused_by_every_command(
    tmp_path: Path, end: Any, said: str
) -> None:
    model, bundle = _model(tmp_path, end=end), tmp_path / "m.edgeseg"
    for words in (("inspect",), ("convert", "-o", bundle), ("convert", "-o", bundle, "--dry-run")):
        one_line(edgeseg(words[0], model, *words[1:]), 1, said)
    assert not bundle.exists()
