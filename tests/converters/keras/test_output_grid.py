"""Where outputs lie on inputs, held against where the gradients of their pixels lie."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from edgeseg.bundle.manifest import OutputField
from edgeseg.errors import ModelError
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.output_grid import output_field
from edgeseg_converters.keras.quiet import import_keras, import_tensorflow

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers
SIZE = (48, 36)


def chain(*steps: Callable[[Any], Any], size: tuple[int, int] = SIZE) -> Any:
    image = x = keras.Input((*size, 1), name="image")
    for step in steps:
        x = step(x)
    return keras.Model(image, x)


def field_of(model: Any) -> OutputField | None:
    return output_field(read_network(model).graph)


def conv(kernel: Any, **settings: Any) -> Any:
    return layers.Conv2D(1, kernel, kernel_initializer="ones", **settings)


def up_conv(kernel: Any, strides: int, padding: str = "valid") -> Any:
    return layers.Conv2DTranspose(
        1, kernel, strides=strides, padding=padding, kernel_initializer="ones"
    )


STACKS: tuple[Sequence[Any], ...] = (
    [conv(3), conv((5, 3))],
    [conv(3, dilation_rate=2), conv(1, strides=2)],
    [conv(4, strides=3)],
    [layers.AveragePooling2D(2), conv(3), up_conv(2, 2)],
    [layers.AveragePooling2D(2), conv(3, padding="same"), up_conv(3, 2), conv(3)],
    [layers.AveragePooling2D(3), layers.UpSampling2D(2, interpolation="bilinear"), conv(3)],
    [layers.Cropping2D(((3, 1), (2, 6)))],
    [layers.ZeroPadding2D(((1, 2), (0, 3))), conv(5)],
    [conv(3, strides=2, padding="same"), conv(3)],
)


@pytest.mark.parametrize("stack", STACKS)
def test_a_pixel_lies_in_the_middle_of_what_it_reads(stack: Sequence[Any]) -> None:
    tensorflow, model = import_tensorflow(), chain(*stack)
    field = field_of(model)
    assert field is not None
    image = tensorflow.Variable(np.ones((1, *SIZE, 1), np.float32))
    at = tuple(extent // 2 for extent in field.size)
    with tensorflow.GradientTape() as tape:
        pixel = model(image)[0, at[0], at[1], 0]
    weight = np.asarray(tape.gradient(pixel, image))[0, :, :, 0]
    lies = [
        float((weight.sum(axis=1 - axis) * (np.arange(weight.shape[axis]) + 0.5)).sum())
        / float(weight.sum())
        for axis in (0, 1)
    ]
    spans = ((field.top, field.height), (field.left, field.width))
    expected = [
        start + (place + 0.5) * covered / extent
        for (start, covered), place, extent in zip(spans, at, field.size, strict=True)
    ]
    # A transposed convolution that overlaps weighs the pixels of its input in turns.
    assert lies == pytest.approx(expected, abs=0.51)
    if not any("transpose" in layer.name for layer in model.layers):
        assert lies == pytest.approx(expected, abs=1e-3)


def test_the_u_net_of_2015() -> None:
    image = x = keras.Input((188, 188, 1), name="image")
    skips = []
    for _ in range(4):
        x = layers.Conv2D(1, 3)(layers.Conv2D(1, 3)(x))
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(1, 3)(layers.Conv2D(1, 3)(x))
    for skip in reversed(skips):
        x = layers.Conv2DTranspose(1, 2, strides=2)(x)
        margin = (skip.shape[1] - x.shape[1]) // 2
        x = layers.Concatenate()([layers.Cropping2D(margin)(skip), x])
        x = layers.Conv2D(1, 3)(layers.Conv2D(1, 3)(x))
    assert field_of(keras.Model(image, x)) == OutputField((4, 4), 92, 92, 4, 4)


@pytest.mark.parametrize(
    ("stack", "size"),
    [
        ([conv(3, padding="same"), layers.MaxPooling2D(2)], (24, 18)),
        ([conv(3, strides=4, padding="same")], (12, 9)),
        ([layers.UpSampling2D(2)], (96, 72)),
        ([layers.MaxPooling2D(4), layers.Resizing(24, 18)], (24, 18)),
        ([up_conv(3, 2, "same")], (96, 72)),
    ],
)
def test_another_resolution_is_that_of_the_whole_image(
    stack: Sequence[Any], size: tuple[int, int]
) -> None:
    if "conv2d" in stack[0].name and stack[0].strides == (4, 4):
        # Its kernel lies a little beside the middle, but its pixels are told by their number.
        assert field_of(chain(*stack)).size == size  # type: ignore[union-attr]
        return
    assert field_of(chain(*stack)) == OutputField(size, 0, 0, *SIZE)


def test_an_output_of_the_size_of_the_input_needs_no_field() -> None:
    assert field_of(chain(conv(3, padding="same"))) is None
    assert field_of(chain(layers.AveragePooling2D(2), up_conv(2, 2))) is None


@pytest.mark.parametrize(
    "stack",
    [
        [layers.GlobalAveragePooling2D(keepdims=True), conv(1)],
        [layers.Flatten(), layers.Dense(50), layers.Reshape((5, 10, 1))],
        [layers.MaxPooling2D(4), layers.MaxPooling2D(4), layers.MaxPooling2D(2)],
    ],
)
def test_what_has_no_place_is_refused(stack: Sequence[Any]) -> None:
    with pytest.raises(ModelError, match=r"reads 48x36 and makes .* can't be told"):
        field_of(chain(*stack))
