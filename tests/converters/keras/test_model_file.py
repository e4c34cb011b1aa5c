"""Model files of every generation open; every other file is refused in one line."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.errors import ModelError
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.model_file import load_model
from edgeseg_converters.keras.quiet import import_keras, import_tf_keras, quiet
from edgeseg_converters.keras.stand_ins import stand_in_notes

pytestmark = pytest.mark.tensorflow

MODULES = {"keras": import_keras, "tf_keras": import_tf_keras}


def save(model: Any, path: Path) -> Path:
    """Save in the format that the suffix names; a folder becomes a SavedModel of tf_keras."""
    with quiet():
        model.save(path) if path.suffix else model.save(path, save_format="tf")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def one_layer(keras: Any, layer: Any) -> Any:
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, layer(keras.layers.Conv2D(2, 1, name="first")(inputs)))


def custom_layer(keras: Any) -> Any:
    class Swirl(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    return Swirl(name="swirl")


def subclassed(keras: Any) -> Any:
    class Net(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = keras.layers.Conv2D(1, 1)

        def call(self, inputs: Any) -> Any:
            return self.conv(inputs)

    model = Net()
    model(np.zeros((1, 8, 8, 1), np.float32))
    return model


@pytest.mark.parametrize(
    ("generation", "name"),
    [
        ("keras", "model.keras"),
        ("keras", "model.h5"),
        ("tf_keras", "model.keras"),
        ("tf_keras", "model.h5"),
        ("tf_keras", "model"),
    ],
)
@pytest.mark.parametrize("family", ["nested", "batch_norm"])
def test_a_saved_model_gives_the_same_output(
    tmp_path: Path, generation: str, name: str, family: str
) -> None:
    model = zoo.FAMILIES[family](MODULES[generation]())
    loaded = load_model(save(model, tmp_path / name))
    images = zoo.random_images()
    np.testing.assert_array_equal(
        np.asarray(loaded(images, training=False)), np.asarray(model(images, training=False))
    )
    assert type(loaded).__module__.split(".")[0] == generation


def test_missing_file(tmp_path: Path) -> None:
    assert "does not exist; give a .keras" in refusal(tmp_path / "model.keras")


@pytest.mark.parametrize("content", [b"", b"hello, I am a text file", b"\x89PNG\r\n"])
def test_not_a_keras_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    assert "is no Keras model; give a .keras" in refusal(path)


def test_zip_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, a=np.zeros(3))
    assert "is a zip file but no Keras model; save the whole model" in refusal(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_file(tmp_path: Path, suffix: str, share: float) -> None:
    path = save(zoo.plain(import_keras()), tmp_path / f"model{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "truncated or damaged; copy it again" in refusal(path)


@pytest.mark.parametrize("lambdas", [False, True])
def test_changed_bytes_in_the_weights(tmp_path: Path, *, lambdas: bool) -> None:
    keras = import_keras()
    halved = keras.layers.Lambda(lambda x: x / 2)
    model = one_layer(keras, halved) if lambdas else zoo.plain(keras)
    path = save(model, tmp_path / "model.keras")
    content = bytearray(path.read_bytes())
    start = content.index(b"\x89HDF")
    content[start : start + 4000] = bytes(4000)
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path}, saved by Keras 3")
    assert "can't be loaded" in message


def test_damaged_description(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{")
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
    assert "is damaged" in refusal(path)


@pytest.mark.parametrize("description", [[], {}, {"class_name": "Functional"}, "text", 3])
def test_description_without_a_model(tmp_path: Path, description: object) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(description))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
    assert refusal(path)


def test_weights_without_a_model(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    with quiet():
        zoo.plain(import_keras()).save_weights(path)
    assert "holds weights but no model: load them into the model" in refusal(path)


def test_folder_that_is_no_saved_model(tmp_path: Path) -> None:
    assert "is no SavedModel; save the whole model" in refusal(tmp_path)


def test_saved_model_without_a_keras_graph(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    assert "SavedModel without a Keras graph; save the whole model" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a message"])
def test_saved_model_with_damaged_graph(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keras_metadata.pb").write_bytes(content)
    assert "is damaged; copy the folder again" in refusal(tmp_path)


def test_suffix_that_keras_does_not_know(tmp_path: Path) -> None:
    path = save(zoo.plain(import_keras()), tmp_path / "model.keras").rename(tmp_path / "model.zip")
    assert "rename it to model.keras" in refusal(path)


@pytest.mark.parametrize(("generation", "name"), [("keras", "model.keras"), ("tf_keras", "model")])
def test_subclassed_model(tmp_path: Path, generation: str, name: str) -> None:
    path = save(subclassed(MODULES[generation]()), tmp_path / name)
    message = refusal(path)
    assert "subclassed model Net" in message
    assert "keras.Model(inputs, outputs)" in message


@pytest.mark.parametrize(
    ("generation", "name"),
    [
        ("keras", "model.keras"),
        ("keras", "model.h5"),
        ("tf_keras", "model.keras"),
        ("tf_keras", "model.h5"),
        ("tf_keras", "model"),
    ],
)
@pytest.mark.parametrize("layer", ["custom", "lambda"])
def test_foreign_layers_are_named_and_never_run(
    tmp_path: Path, generation: str, name: str, layer: str
) -> None:
    keras = MODULES[generation]()
    marker = tmp_path / "ran"

    def run(x: Any, where: str = str(marker)) -> Any:
        Path(where).touch()
        return x

    make: dict[str, Callable[[], Any]] = {
        "custom": lambda: custom_layer(keras),
        "lambda": lambda: keras.layers.Lambda(run, name="swirl"),
    }
    path = save(one_layer(keras, make[layer]()), tmp_path / name)
    marker.unlink(missing_ok=True)
    message = refusal(path)
    assert "custom or Lambda layers, which are never run: swirl (" in message
    assert "replace them by built-in Keras layers" in message
    assert not marker.exists()


@pytest.mark.parametrize(
    ("generation", "name"),
    [("keras", "model.keras"), ("tf_keras", "model.h5"), ("tf_keras", "model.keras")],
)
def test_what_structure_tells_is_opened_without_the_code(
    tmp_path: Path, generation: str, name: str
) -> None:
    keras = MODULES[generation]()
    layers = keras.layers

    class FixedDropout(layers.Dropout):  # type: ignore[misc, name-defined]
        pass

    class Trained(keras.Model):  # type: ignore[misc, name-defined]
        def train_step(self, data: Any) -> Any:
            return data

    image = keras.Input((8, 8, 1))
    x = layers.Lambda(lambda x: x / 255 - 0.5)(image)
    x = FixedDropout(0.2, name="fixed")(layers.Conv2D(2, 3)(x))
    model = Trained(image, layers.Conv2D(1, 1)(layers.Dropout(0.1)(x)))
    loaded = load_model(save(model, tmp_path / name))
    images = zoo.random_images(1, 8)
    expected = np.asarray(model(images, training=False))
    np.testing.assert_allclose(np.asarray(loaded(images)), expected, atol=1e-6)
    assert stand_in_notes(loaded) == (
        "fixed (FixedDropout) is taken for a dropout by its name and settings, and left out",
    )
    kinds = [layer.kind for layer in read_network(loaded).graph.layers]
    assert kinds == ["Rescaling", "Conv2D", "Conv2D"]


@pytest.mark.parametrize("generation", MODULES)
def test_a_dropout_that_may_act_when_it_predicts_is_refused(
    tmp_path: Path, generation: str
) -> None:
    keras = MODULES[generation]()
    kind = type("MCDropout", (keras.layers.Dropout,), {})
    message = refusal(save(one_layer(keras, kind(0.1, name="mc")), tmp_path / "model.keras"))
    assert "mc (MCDropout); use a Dropout layer; replace them" in message


@pytest.mark.parametrize("generation", MODULES)
def test_a_function_of_the_file_is_named_with_a_way_out(tmp_path: Path, generation: str) -> None:
    keras = MODULES[generation]()

    def mine(x: Any) -> Any:
        return x

    conv = keras.layers.Conv2D(1, 1, activation=mine, name="conv")
    message = refusal(save(one_layer(keras, conv), tmp_path / "model.keras"))
    assert "functions of its own, which are never run: mine of conv; build the model" in message


def test_a_lambda_inside_a_wrapper_is_found(tmp_path: Path) -> None:
    keras = import_tf_keras()
    inner = keras.layers.Lambda(lambda x: x * x, name="hidden")
    model = one_layer(keras, keras.layers.TimeDistributed(inner))
    assert "hidden (Lambda)" in refusal(save(model, tmp_path / "model.h5"))


def test_code_in_place_of_an_activation_is_found(tmp_path: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"value": "4wEA"}}
    layer = {"module": "keras.layers", "class_name": "Conv2D", "name": "sly", "config": {}}
    layer["config"] = {"name": "sly", "activation": code}
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        described = {"class_name": "Functional", "config": {"layers": [layer]}}
        archive.writestr("config.json", json.dumps(described))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
    assert "sly (__lambda__)" in refusal(path)


def test_an_activation_that_was_a_lambda_can_not_be_loaded(tmp_path: Path) -> None:
    keras = import_keras()
    model = one_layer(keras, keras.layers.Conv2D(1, 1, activation=lambda x: x, name="sly"))
    assert len(refusal(save(model, tmp_path / "model.keras"))) < 400
