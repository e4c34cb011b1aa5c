"""A kind of layer from outside goes all the way; a package that registers rubbish is named."""

import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from outside_packages import install_package
from processes import edgeseg, one_line
from scans import write_ct

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import EdgesegError, ModelError
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.layers.registry import kind_of, layer_kinds, registered_kinds

pytestmark = pytest.mark.tensorflow

keras = import_keras()

_TWICE = '''
"""A made-up layer that doubles its input."""

from functools import cache

from edgeseg_converters.layers.channel_flow import never_bound, with_width
from edgeseg_converters.layers.kind import (
    ActivationOf, ChannelFlow, CostRule, Fusion, KernelLayout, LayerKind
)
from edgeseg_converters.layers.profiler_extras import nothing
from edgeseg_converters.layers.row_flow import each_row


@cache
def twice():
    import keras

    class Twice(keras.layers.Layer):
        def __init__(self, times=2.0, **settings):
            super().__init__(**settings)
            self.times = times

        def call(self, image):
            return image * self.times

        def get_config(self):
            return super().get_config() | {"times": self.times}

    return Twice


TWICE = LayerKind(
    name="Twice",
    settings=("times",),
    keras_class=twice,
    keras_2=None,
    fusion=Fusion.SCALING,
    rows=each_row,
    channels=ChannelFlow.KEPT,
    binds_channels=never_bound,
    resized=with_width,
    kernel=KernelLayout.NONE,
    divisible=False,
    batch_statistics=False,
    activation=ActivationOf.SETTING,
    cost=CostRule(on_input_grid=False, outputs_at_once=1, profiler_extras=nothing),
)
'''


@pytest.fixture
def no_cache() -> Iterator[None]:
    """Look for registered kinds anew in a test, and after it."""
    for cached in (layer_kinds, registered_kinds):
        cached.cache_clear()
    yield
    for cached in (layer_kinds, registered_kinds):
        cached.cache_clear()


def installed(folder: Path, patch: pytest.MonkeyPatch, source: str = _TWICE) -> None:
    entries = {"edgeseg.layer_kinds": {"twice": "made_up_layers:TWICE"}}
    patch.syspath_prepend(install_package(folder, "made_up_layers", source, entries))
    patch.setenv("PYTHONPATH", str(folder), prepend=":")
    patch.delitem(sys.modules, "made_up_layers", raising=False)


def saved_model(path: Path) -> Path:
    twice = importlib.import_module("made_up_layers").twice()
    layers = keras.layers
    keras.utils.set_random_seed(1)
    image = keras.Input((32, 32, 1), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="in")(image)
    x = twice(1.5, name="louder")(layers.Conv2D(8, 3, padding="same", name="deep")(x))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="out")(x)
    x = layers.Conv2D(1, 1, activation="sigmoid", name="head")(x)
    keras.Model(image, x).save(path)
    return path


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_kind_of_another_package_is_compiled_cut_and_run_at_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    installed(package, monkeypatch)
    model, bundle = saved_model(tmp_path / "model.keras"), tmp_path / "model.edgeseg"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[filters]\nratio = 0.25\nmultiple = 1\n")
    command = ("convert", model, "-o", bundle, "--strategy", "layer", "--recipe", recipe)
    ran = edgeseg(*command, timeout=200)
    assert ran.code == 0, ran.err
    assert len(Bundle(bundle).manifest.pieces) == 3
    scan = write_ct(tmp_path / "ct.nii.gz", (32, 32, 3))
    mask = tmp_path / "mask.nii.gz"
    ran = edgeseg("segment", bundle, scan, "-o", mask, "--local", 2, timeout=100)
    assert ran.code == 0, ran.err
    assert mask.is_file()
    monkeypatch.setenv("PYTHONPATH", os.environ["PYTHONPATH"].replace(str(package), ""))
    one_line(
        edgeseg(*command, timeout=100),
        1,
        "custom or Lambda layers, which are never run: louder (Twice)",
    )


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import missing_library", "'twice' of the package made_up_layers can't be loaded"),
        ("TWICE = 3", "is no LayerKind; mend or remove the package"),
        (_TWICE.replace("    rows=each_row,\n", ""), "missing 1 required keyword-only argument"),
        (
            _TWICE.replace('name="Twice"', 'name="Conv2D"'),
            "the layer kind 'Conv2D', which is there",
        ),
    ],
)
def test_a_package_that_registers_no_new_kind_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    installed(tmp_path, monkeypatch, source)
    with pytest.raises(EdgesegError, match=re.escape(reason)):
        layer_kinds()


def test_a_kind_that_nobody_registered_is_named() -> None:
    with pytest.raises(ModelError, match="Thrice is no kind of layer"):
        kind_of("Thrice")
