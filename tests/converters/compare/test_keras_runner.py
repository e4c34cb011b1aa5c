"""The Keras model as the reference: its own numbers, at its own size, and no other model."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zoo

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Decoding, Manifest, OutputField, Preprocessing
from edgeseg.errors import ModelError
from edgeseg_converters.assemble import hash_model
from edgeseg_converters.compare.keras_runner import KerasRunner
from edgeseg_converters.keras.quiet import import_keras, quiet


@pytest.fixture
def manifest(uncut_bundle: Path) -> Manifest:
    return Bundle(uncut_bundle).manifest


def saved(model: Any, path: Path) -> Path:
    with quiet():
        model.save(path)
    return path


def one_conv(side: int | None, channels: int = 1, out: int = 3, activation: str = "sigmoid") -> Any:
    keras = import_keras()
    image = keras.Input((side, side, channels))
    end = keras.layers.Conv2D(out, 1, activation=activation, kernel_initializer="ones")(image)
    return keras.Model(image, end)


def test_it_computes_what_keras_computes(tiny_folder: Path, manifest: Manifest) -> None:
    path = tiny_folder / "tiny.keras"
    image = zoo.random_images(1, 64)
    expected = import_keras().models.load_model(path)(image, training=False)
    np.testing.assert_allclose(KerasRunner(path, manifest)(image), expected, atol=1e-6)


def test_it_runs_at_its_own_size(tmp_path: Path, manifest: Manifest) -> None:
    runner = KerasRunner(saved(one_conv(32), tmp_path / "small.keras"), manifest)
    like = Preprocessing((-100.0, 300.0), (64, 64), 1, 0.8)
    assert runner.preprocessing(like) == Preprocessing((-100.0, 300.0), (32, 32), 1, 0.8)


def test_of_no_fixed_size_it_runs_at_the_bundles(tmp_path: Path, manifest: Manifest) -> None:
    runner = KerasRunner(saved(one_conv(None), tmp_path / "any.keras"), manifest)
    assert runner.size == (64, 64)


def test_logits_get_the_activation_that_the_bundle_has(tmp_path: Path, manifest: Manifest) -> None:
    painted = msgspec.structs.replace(manifest, decoding=Decoding("softmax", (0, 1, 2)))
    path = saved(one_conv(64, activation="linear"), tmp_path / "logits.keras")
    found = KerasRunner(path, painted)(zoo.random_images(1, 64))
    np.testing.assert_allclose(found, 1 / 3, atol=1e-6)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"out": 2}, "2 of sigmoid out, the bundle of tiny .* 3 of sigmoid"),
        ({"activation": "softmax"}, "3 of softmax"),
        ({"channels": 3}, r"has 3 channel\(s\) in"),
    ],
)
def test_another_model_is_refused(
    tmp_path: Path, manifest: Manifest, other: dict[str, Any], said: str
) -> None:
    path = saved(one_conv(64, **other), tmp_path / "other.keras")
    with pytest.raises(ModelError, match=said):
        KerasRunner(path, manifest)


def test_an_output_lies_where_that_of_its_own_size_does(tmp_path: Path, manifest: Manifest) -> None:
    keras = import_keras()
    image = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(3, 5, activation="sigmoid")(image)
    path = saved(keras.Model(image, keras.layers.Flatten()(x)), tmp_path / "cropped.keras")
    runner = KerasRunner(path, manifest)
    assert runner(zoo.random_images(1, 32)).shape == (1, 28, 28, 3)
    field = OutputField((28, 28), 2, 2, 28, 28)
    assert runner.decoding(manifest.decoding).field == field


def test_sigmoids_of_a_background_are_those_of_the_same_file(
    tmp_path: Path, manifest: Manifest
) -> None:
    path = saved(one_conv(64), tmp_path / "own.keras")
    likeliest = msgspec.structs.replace(manifest, decoding=Decoding("softmax", (0, 1, 2)))
    with pytest.raises(ModelError, match="3 of softmax"):
        KerasRunner(path, likeliest)
    same = msgspec.structs.replace(likeliest, model_sha256=hash_model(path))
    assert KerasRunner(path, same).size == (64, 64)
