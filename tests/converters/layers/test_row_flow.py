"""Rows that layers read and make, against what Keras does with whole images and with tiles."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.layers.row_flow import enlarged, rows_of_function
from edgeseg_converters.layers.rows import RowMap, Rows, Shift
from edgeseg_converters.rewrite.row_maps import row_map

pytestmark = pytest.mark.tensorflow

FEW = settings(max_examples=60, deadline=None)


@st.composite
def recipes(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Kind and settings of a layer whose rows can be divided."""
    kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    window = {"strides": stride, "padding": draw(st.sampled_from(["same", "valid"]))}
    dilated = window | {"dilation_rate": draw(st.integers(1, 3)) if stride == 1 else 1}
    edges = ((draw(st.integers(0, 2)), draw(st.integers(0, 2))), (1, 0))
    how = draw(st.sampled_from(["nearest", "bilinear"]))
    settings_of: dict[str, dict[str, Any]] = {
        "Conv2D": {"filters": 1, "kernel_size": kernel, **dilated},
        "DepthwiseConv2D": {"kernel_size": kernel, **dilated},
        "SeparableConv2D": {"filters": 1, "kernel_size": kernel, **window},
        "Conv2DTranspose": {"filters": 1, "kernel_size": kernel, **window},
        "MaxPooling2D": {"pool_size": kernel, **window},
        "AveragePooling2D": {"pool_size": kernel, **window},
        "UpSampling2D": {"size": stride, "interpolation": "nearest" if stride == 3 else how},
        "ZeroPadding2D": {"padding": edges},
        "Cropping2D": {"cropping": edges},
        "BatchNormalization": {},
    }
    return draw(st.sampled_from(sorted(settings_of.items())))


def mapped(recipe: tuple[str, dict[str, Any]], height: int) -> tuple[RowMap, Any, Any]:
    keras = import_keras()
    kind, config = recipe
    layer = getattr(keras.layers, kind)(**config)
    image = keras.Input((height, 6, 1))
    try:
        model = keras.Model(image, layer(image))
    except ValueError:
        assume(False)
    assume(model.output_shape[1] > 0)
    random = np.random.default_rng(5)
    model.set_weights([random.uniform(0.5, 1, w.shape) for w in model.get_weights()])
    graph = read_network(model).graph
    found = row_map(graph, graph.layers[0])
    assert isinstance(found, RowMap)
    return found, model, layer


def run(model: Any, images: Any) -> Any:
    return np.asarray(model(images.astype(np.float32), training=False))


@FEW
@given(recipe=recipes(), height=st.integers(3, 13))
def test_rows_read_are_those_on_which_the_output_depends(recipe: Any, height: int) -> None:
    rows, model, _ = mapped(recipe, height)
    image = np.random.default_rng(3).uniform(size=(1, height, 6, 1))
    others = np.repeat(image, height, axis=0)
    others[np.arange(height), np.arange(height)] += 50
    depends = np.any(abs(run(model, others) - run(model, image)) > 1e-3, axis=(2, 3))
    assert rows.made_height == depends.shape[1]
    loose = recipe[0] == "UpSampling2D" or rows.per > 1 or recipe[1].get("dilation_rate", 1) > 1
    for made in range(rows.made_height):
        read = rows.reads(Rows(made, made + 1))
        (found,) = np.nonzero(depends[:, made])
        assert all(read.start <= row < read.stop for row in found)
        if len(found) and not loose:
            assert (read.start, read.stop) == (found[0], found[-1] + 1)


@FEW
@given(recipe=recipes(), height=st.integers(3, 13), data=st.data())
def test_a_tile_makes_the_rows_of_the_image_it_sees_enough_of(
    recipe: Any, height: int, data: st.DataObject
) -> None:
    rows, model, layer = mapped(recipe, height)
    start = data.draw(st.integers(0, rows.made_height - 1))
    wanted = Rows(start, data.draw(st.integers(start + 1, rows.made_height)))
    tile = rows.align(rows.reads(wanted))
    tile = rows.align(tile.hull(Rows(*sorted(data.draw(st.tuples(*[st.integers(0, height)] * 2))))))
    assert rows.align(tile) == tile
    image = np.random.default_rng(3).uniform(size=(1, height, 6, 1))
    part = run(on_tile(layer, rows, tile), image[:, tile.start : tile.stop])
    made = rows.makes(tile)
    assert part.shape[1] == made.count
    assert made.holds(wanted)
    expected = run(model, image)[:, wanted.start : wanted.stop]
    local = slice(wanted.start - made.start, wanted.stop - made.start)
    np.testing.assert_allclose(part[:, local], expected, rtol=1e-5, atol=1e-6)


def on_tile(layer: Any, rows: RowMap, tile: Rows) -> Any:
    """The layer as a tile has it."""
    if not isinstance(rows, Shift):
        return lambda image, **_: layer(image)
    key = "padding" if type(layer).__name__ == "ZeroPadding2D" else "cropping"
    before, after = rows.edges(tile)
    return type(layer)(**{key: ((abs(before), abs(after)), (1, 0))})


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda kinds: kinds.GlobalAveragePooling2D(), "has no rows"),
        (lambda kinds: kinds.GlobalAveragePooling2D(keepdims=True), "all rows at once"),
        (lambda kinds: kinds.GroupNormalization(1), "all rows at once"),
        (lambda kinds: kinds.Permute((2, 1, 3)), "all rows at once"),
        (lambda kinds: kinds.Softmax(axis=1), "works across rows"),
        (lambda kinds: kinds.LayerNormalization(axis=[1, 2]), "works across rows"),
        (lambda kinds: kinds.PReLU(shared_axes=[2]), "has slopes for each row"),
        (lambda kinds: kinds.UpSampling2D(2, interpolation="bicubic"), "interpolates bicubic"),
        (lambda kinds: kinds.Conv2DTranspose(1, 3, strides=2, output_padding=1), "pads its output"),
    ],
)
def test_what_cant_be_divided_says_why(make: Any, why: str) -> None:
    keras = import_keras()
    image = keras.Input((8, 8, 2))
    graph = read_network(keras.Model(image, make(keras.layers)(image))).graph
    found = row_map(graph, graph.layers[0])
    assert isinstance(found, str)
    assert why in found


def test_what_works_row_by_row_can_be_divided() -> None:
    keras = import_keras()
    for layer in (keras.layers.Softmax(), keras.layers.PReLU(shared_axes=[1, 2])):
        image = keras.Input((8, 8, 2))
        graph = read_network(keras.Model(image, layer(image))).graph
        assert row_map(graph, graph.layers[0]) == RowMap(1, 1, 0, 0, 0, 8, 8)


def test_ranges_of_rows() -> None:
    one, other = Rows(2, 6), Rows(4, 9)
    assert one.hull(other) == Rows(2, 9)
    assert one.meet(other) == Rows(4, 6)
    assert one.meet(Rows(7, 9)).count == 0
    assert one.holds(Rows(3, 6))
    assert not one.holds(other)


@pytest.mark.parametrize(("factor", "divides"), [(2, True), (3, False), (4, True), (6, False)])
def test_interpolation_is_divided_where_its_weights_are_exact(
    factor: int, *, divides: bool
) -> None:
    settings_ = {"size": [factor, factor], "interpolation": "bilinear"}
    assert isinstance(enlarged(settings_, 8, 8 * factor), RowMap) == divides
    assert isinstance(enlarged({**settings_, "interpolation": "nearest"}, 8, 8 * factor), RowMap)


@pytest.mark.parametrize(
    ("shapes", "divides"),
    [
        ([], True),
        ([(3,), (8, 3)], True),
        ([(1, 8, 3), (3,)], True),
        ([(8, 8, 1), (3,)], False),
        ([(3,), (1, 8, 1, 1)], False),
    ],
)
def test_a_function_is_divided_where_its_constants_are_the_same_for_all_rows(
    shapes: list[tuple[int, ...]], *, divides: bool
) -> None:
    operands = [{"input": 0}, {"number": 1.0}, *({"constant": list(shape)} for shape in shapes)]
    config = {"function": "where", "operands": operands, "options": {}}
    assert isinstance(rows_of_function(config, 8, 8), RowMap) == divides
