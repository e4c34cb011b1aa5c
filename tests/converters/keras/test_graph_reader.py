"""Models of both Keras generations become the same graph; what can't be compiled is named."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.errors import ModelError, UsageError
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras, import_tf_keras
from edgeseg_converters.notation import parse_input_shape

pytestmark = pytest.mark.tensorflow

keras = import_keras()
tf_keras = import_tf_keras()
layers = keras.layers


def image(*shape: int | None) -> Any:
    return keras.Input(shape or (8, 8, 1), name="image")


def chain(*steps: Any, shape: tuple[int | None, ...] = (8, 8, 1), module: Any = keras) -> Any:
    inputs = outputs = module.Input(shape, name="image")
    for step in steps:
        outputs = step(outputs)
    return module.Model(inputs, outputs, name="chain")


def kinds(model: Any) -> list[str]:
    return [layer.kind for layer in read_network(model).graph.layers]


def refusal(model: Any, shape: tuple[int, ...] | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        read_network(model, shape)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_both_generations_give_the_same_graph(family: str) -> None:
    graphs = [read_network(zoo.FAMILIES[family](module)).graph for module in (keras, tf_keras)]
    described = [
        [(layer.kind, layer.config, layer.weights, layer.output.shape) for layer in graph.layers]
        for graph in graphs
    ]
    assert described[0] == described[1]


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_a_graph_keeps_its_invariants(family: str) -> None:
    model = zoo.FAMILIES[family](keras)
    network = read_network(model)
    graph = network.graph
    known = {tensor.name for tensor in graph.inputs}
    for layer in graph.layers:
        assert known.issuperset(layer.inputs)
        assert layer.name == layer.output.name
        assert layer.name not in known
        assert layer.output.shape[0] == 1
        assert json.loads(json.dumps(layer.config)) == layer.config
        known.add(layer.name)
        arrays = network.weights.get(layer.name, ())
        assert tuple(array.shape for array in arrays) == tuple(w.shape for w in layer.weights)
    assert graph.parameters == model.count_params()
    assert graph.tensors[graph.outputs[0]].shape == (1, *model.output_shape[1:])


def test_nested_models_are_flattened_under_their_name() -> None:
    graph = read_network(zoo.nested(keras)).graph
    names = [layer.name for layer in graph.layers]
    assert [name for name in names if name.startswith("bottleneck/")] == [
        "bottleneck/wide",
        "bottleneck/deep",
    ]
    assert graph.layer("bottleneck/wide").inputs[0].startswith("encoder/max_pooling2d")
    assert [tensor.name for tensor in graph.inputs] == ["image"]


def test_layers_for_training_are_left_out() -> None:
    model = chain(
        layers.GaussianNoise(0.1),
        layers.Conv2D(2, 1, name="conv"),
        layers.Dropout(0.5),
        layers.SpatialDropout2D(0.5),
        layers.ActivityRegularization(l2=0.1),
    )
    graph = read_network(model).graph
    assert [layer.name for layer in graph.layers] == ["conv"]
    assert graph.layer("conv").inputs == ("image",)
    assert graph.outputs == ("conv",)


def test_config_holds_what_inference_needs_and_no_more() -> None:
    conv = layers.Conv2D(2, 3, kernel_regularizer="l2", name="conv", bias_initializer="ones")
    config = read_network(chain(conv)).graph.layer("conv").config
    assert config == {
        "filters": 2,
        "kernel_size": [3, 3],
        "strides": [1, 1],
        "padding": "valid",
        "dilation_rate": [1, 1],
        "activation": "linear",
        "use_bias": True,
        "groups": 1,
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.layers.LeakyReLU(0.1),
        lambda m: m.layers.ReLU(max_value=6.0),
        lambda m: m.layers.Activation("swish"),
        lambda m: m.layers.BatchNormalization(axis=3),
        lambda m: m.layers.Softmax(axis=3),
        lambda m: m.layers.PReLU(shared_axes=[1, 2]),
        lambda m: m.layers.LayerNormalization(),
        lambda m: m.layers.ZeroPadding2D(1),
        lambda m: m.layers.Cropping2D(1),
        lambda m: m.layers.AveragePooling2D(2),
        lambda m: m.layers.Rescaling(1 / 255),
        lambda m: m.layers.Resizing(4, 4),
        lambda m: m.layers.Dense(3),
        lambda m: m.layers.GlobalAveragePooling2D(keepdims=True),
    ],
)
def test_config_is_the_same_in_both_generations(make: Callable[[Any], Any]) -> None:
    read = [
        read_network(chain(make(module), module=module)).graph.layers[0]
        for module in (keras, tf_keras)
    ]
    assert read[0].kind == read[1].kind
    assert read[0].config == read[1].config
    assert read[0].weights == read[1].weights


def test_weights_stand_in_keras_order_under_short_names() -> None:
    model = chain(layers.Conv2D(2, 1), layers.BatchNormalization(name="bn"))
    network = read_network(model)
    specs = network.graph.layer("bn").weights
    assert [spec.name for spec in specs] == ["gamma", "beta", "moving_mean", "moving_variance"]
    for ours, theirs in zip(
        network.weights["bn"], model.get_layer("bn").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_keras_operators_become_layers() -> None:
    x = image()
    a, b = layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(x)
    y = keras.ops.concatenate([keras.ops.relu(a) + b, keras.ops.maximum(a, b)], axis=-1)
    y = keras.ops.softmax(keras.ops.leaky_relu(-(y / 2), 0.3))
    model = keras.Model(x, y)
    made = [layer for layer in read_network(model).graph.layers if layer.kind != "Conv2D"]
    assert sorted(layer.kind for layer in made) == [
        "Activation",
        "Add",
        "Concatenate",
        "LeakyReLU",
        "Maximum",
        "Rescaling",
        "Rescaling",
        "Softmax",
    ]


def test_tensorflow_functions_in_tf_keras_become_layers() -> None:
    import tensorflow as tf

    x = tf_keras.Input((8, 8, 1))
    a = tf_keras.layers.Conv2D(2, 1)(x)
    y = tf.concat([tf.nn.relu(a), tf.sigmoid(a)], axis=3)
    y = tf.nn.softmax(tf.nn.leaky_relu(tf.maximum(y, y=y), alpha=0.3))
    graph = read_network(tf_keras.Model(x, y)).graph
    assert [layer.kind for layer in graph.layers][-4:] == [
        "Concatenate",
        "Maximum",
        "LeakyReLU",
        "Softmax",
    ]
    assert graph.layers[-2].config == {"negative_slope": 0.3}
    assert graph.layers[-4].config == {"axis": -1}


@pytest.mark.parametrize(
    ("operate", "config"),
    [
        (lambda x: x * 3, {"scale": 3.0, "offset": 0.0}),
        (lambda x: 3 + x, {"scale": 1.0, "offset": 3.0}),
        (lambda x: x - 3, {"scale": 1.0, "offset": -3.0}),
        (lambda x: 3 - x, {"scale": -1.0, "offset": 3.0}),
        (lambda x: x / 4, {"scale": 0.25, "offset": 0.0}),
        (lambda x: -x, {"scale": -1.0, "offset": 0.0}),
    ],
)
@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_arithmetic_with_a_number_is_a_rescaling(
    module: Any, operate: Callable[[Any], Any], config: dict[str, float]
) -> None:
    layer = read_network(chain(operate, module=module)).graph.layers[0]
    assert (layer.kind, layer.config) == ("Rescaling", config)


def test_a_model_of_unknown_size_is_read_at_the_size_given() -> None:
    model = chain(
        layers.Conv2D(4, 3, padding="same"), layers.MaxPooling2D(2), shape=(None, None, 1)
    )
    message = refusal(model)
    assert "input_shape H,W" in message
    for shape in ((12, 20), (12, 20, 1)):
        graph = read_network(model, shape).graph
        assert graph.inputs[0].shape == (1, 12, 20, 1)
        assert graph.layers[-1].output.shape == (1, 6, 10, 4)


def test_a_fixed_size_can_be_replaced() -> None:
    assert read_network(zoo.plain(keras), (64, 48)).graph.layers[-1].output.shape == (1, 64, 48, 3)


def test_a_nested_model_of_unknown_size_follows_the_outer_one() -> None:
    inner = chain(layers.Conv2D(2, 3, name="conv"), shape=(None, None, 1))
    graph = read_network(chain(inner)).graph
    assert graph.layer("chain/conv").output.shape == (1, 6, 6, 2)


def test_unknown_channels_ask_for_all_three_numbers() -> None:
    assert "input_shape H,W,C" in refusal(chain(layers.ReLU(), shape=(None, None, None)))


def test_channels_that_contradict_the_model() -> None:
    assert "reads 1 channels, not 3" in refusal(zoo.plain(keras), (32, 32, 3))


def test_a_size_that_the_skips_do_not_fit() -> None:
    message = refusal(zoo.plain(keras), (30, 30))
    assert "(Concatenate) does not fit its input of" in message
    assert "input_shape" in message


def test_a_size_too_small_for_the_levels() -> None:
    message = refusal(chain(layers.MaxPooling2D(4, name="pool")), (2, 2))
    assert "layer 'pool' (MaxPooling2D) does not fit its input of 2x2x1" in message
    assert "zero or negative" in message
    assert "\x1b" not in message


def test_a_size_that_the_weights_do_not_fit() -> None:
    model = chain(layers.Flatten(), layers.Dense(3, name="dense"))
    assert "layer 'dense' (Dense) has weights of another shape" in refusal(model, (10, 10))


def test_a_sequential_without_input_needs_the_shape() -> None:
    model = keras.Sequential([layers.Conv2D(2, 3)])
    assert "keras.Model(inputs, outputs)" in refusal(model)
    assert read_network(model, (8, 8, 1)).graph.layers[0].output.shape == (1, 6, 6, 2)


def test_several_inputs() -> None:
    a, b = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    message = refusal(keras.Model([a, b], layers.Add()([a, b])))
    assert "2 inputs, one is needed; save keras.Model(" in message


def test_several_outputs() -> None:
    x = image()
    message = refusal(keras.Model(x, [layers.ReLU()(x), layers.Softmax()(x)]))
    assert "2 outputs, one is needed; save keras.Model(" in message


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_each_call_of_a_layer_is_one_of_its_own_with_the_same_weights(module: Any) -> None:
    conv = module.layers.Conv2D(1, 3, padding="same", name="twice")
    drop, relu = module.layers.Dropout(0.1), module.layers.ReLU(name="relu")
    network = read_network(chain(conv, relu, drop, conv, relu, drop, module=module))
    names = [layer.name for layer in network.graph.layers]
    assert names == ["twice", "relu", "twice.call2", "relu.call2"]
    first, second = network.weights.values()
    assert all(a is b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_each_call_of_a_model_is_a_model_of_its_own(module: Any) -> None:
    inner = chain(module.layers.ReLU(name="relu"), module=module)
    names = [layer.name for layer in read_network(chain(inner, inner, module=module)).graph.layers]
    assert names == ["chain/relu", "chain.call2/relu"]


def test_a_layer_of_two_nested_models_is_there_in_both() -> None:
    conv = layers.Conv2D(1, 3, padding="same", name="both")
    a, b = (keras.Sequential([keras.Input((8, 8, 1)), conv], name=name) for name in "ab")
    assert list(read_network(chain(a, b)).weights) == ["a/both", "b/both"]


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_a_custom_layer_is_named_even_if_it_is_called_like_a_built_in_one(module: Any) -> None:
    custom = type("Conv2D", (module.layers.Conv2D,), {"__module__": "mine"})
    message = refusal(chain(custom(1, 3, name="special"), module=module))
    assert "layer 'special' is of the custom kind Conv2D" in message
    assert "replace it by built-in Keras layers" in message


def test_lambda_and_unsupported_layers_are_named() -> None:
    message = refusal(chain(layers.Lambda(lambda x: x, name="anything")))
    assert "layer 'anything' is of the kind Lambda" in message
    message = refusal(chain(layers.TimeDistributed(layers.Dense(1), name="each")))
    assert "layer 'each' is of the kind TimeDistributed" in message
    message = refusal(chain(layers.Reshape((2, 4, 8, 1)), layers.Conv3D(1, 1, name="deep")))
    assert (
        "'deep' is of the kind Conv3D, which can't be compiled; 3-D convolutions are not" in message
    )


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_an_operator_that_can_not_be_compiled_is_named(module: Any) -> None:
    def over_the_batch(x: Any) -> Any:
        return x[:, :, :, :1] - (keras.ops if module is keras else module.backend).mean(x, axis=0)

    message = refusal(chain(over_the_batch, lambda x: x * 2, module=module))
    assert "mean" in message
    assert "use the Keras layer that does the same" in message


def test_an_operator_with_another_way_out() -> None:
    def labels(x: Any) -> Any:
        return keras.ops.cast(keras.ops.argmax(x, axis=-1, keepdims=True), "float32")

    assert "(Argmax) can't be compiled; leave it off" in refusal(chain(labels, layers.ReLU()))


def test_arithmetic_with_an_array_by_place_keeps_the_array() -> None:
    array = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1)
    network = read_network(chain(lambda x: x * array))
    (layer,) = network.graph.layers
    assert (layer.kind, layer.config["function"]) == ("Operator", "multiply")
    np.testing.assert_array_equal(network.weights[layer.name][0], array)


def test_what_nobody_reads_is_left_out() -> None:
    graph = read_network(chain(layers.Conv2D(4, 1), lambda x: keras.ops.split(x, 4, -1)[2])).graph
    assert [layer.kind for layer in graph.layers] == ["Conv2D", "Operator"]


def test_an_input_that_is_no_image() -> None:
    message = refusal(chain(layers.Conv3D(1, 1), shape=(8, 8, 8, 1)))
    assert "no image (N, H, W, C)" in message


def test_channels_first_is_named() -> None:
    message = refusal(
        chain(layers.MaxPooling2D(2, data_format="channels_first", name="pool"), shape=(4, 8, 8))
    )
    assert "layer 'pool' puts channels first; rebuild" in message


def test_an_activation_that_is_not_built_in() -> None:
    message = refusal(chain(layers.Conv2D(1, 1, activation=lambda x: x, name="conv")))
    assert "layer 'conv' uses the activation" in message


def test_a_layer_as_activation_is_a_layer_behind() -> None:
    conv = layers.Conv2D(1, 1, activation=layers.LeakyReLU(0.2), name="conv")
    first, second = read_network(chain(conv)).graph.layers
    assert (first.name, first.kind, first.config["activation"]) == ("conv.1", "Conv2D", "linear")
    assert (second.name, second.kind, second.inputs) == ("conv", "LeakyReLU", ("conv.1",))


def test_an_activation_that_keras_2_means_otherwise() -> None:
    model = chain(tf_keras.layers.Activation("hard_sigmoid"), module=tf_keras)
    assert kinds(model) == ["Rescaling", "ReLU"]
    assert kinds(chain(layers.Activation("hard_sigmoid"))) == ["Activation"]


def test_a_variant_that_can_not_be_compiled() -> None:
    message = refusal(chain(layers.Resizing(4, 4, crop_to_aspect_ratio=True, name="small")))
    assert "layer 'small' sets crop_to_aspect_ratio" in message


def test_a_model_that_computes_nothing() -> None:
    assert "no layer that computes anything" in refusal(chain(layers.Dropout(0.1)))


def test_a_subclassed_model_has_no_graph() -> None:
    class Net(keras.Model):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs

    assert "no layer graph" in refusal(Net(name="net"))


@pytest.mark.parametrize(("text", "shape"), [("256,256", (256, 256)), (" 8, 16 ,3", (8, 16, 3))])
def test_input_shape_is_read(text: str, shape: tuple[int, ...]) -> None:
    assert parse_input_shape(text) == shape


@pytest.mark.parametrize("text", ["", "256", "256x256", "0,8", "-1,8", "8,8,1,1", "a,b", "8,8.5"])
def test_input_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"write it like 256,256"):
        parse_input_shape(text)
