"""A piece runs in the engine of its format, and what an engine refuses is one line."""

import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from outside_packages import install_package
from PIL import Image
from processes import edgeseg

from edgeseg.bundle.bundle_file import Bundle, digest, pack, write_bundle
from edgeseg.errors import EdgesegError
from edgeseg.inference.engine import engine_name, open_engine


@pytest.fixture(scope="module")
def model(uncut_bundle: Path) -> bytes:
    opened = Bundle(uncut_bundle)
    return opened.piece(opened.manifest.pieces[0])


def test_ports_are_what_the_file_says(model: bytes) -> None:
    engine = open_engine(model)
    (entering,), (leaving,) = engine.inputs, engine.outputs
    assert (entering.shape, entering.dtype) == ((1, 64, 64, 1), "float32")
    assert (leaving.shape, leaving.dtype) == ((1, 64, 64, 3), "float32")
    assert entering.scale is None


def test_outputs_outlive_the_next_run(model: bytes) -> None:
    engine = open_engine(model)
    (first,) = engine.run([np.zeros((1, 64, 64, 1), np.float32)])
    kept = first.copy()
    (second,) = engine.run([np.ones((1, 64, 64, 1), np.float32)])
    np.testing.assert_array_equal(first, kept)
    assert np.any(first != second)


def test_a_file_runs_like_its_bytes(model: bytes, tmp_path: Path) -> None:
    (tmp_path / "piece.tflite").write_bytes(model)
    image = np.random.default_rng(0).random((1, 64, 64, 1), np.float32)
    (mapped,) = open_engine(tmp_path / "piece.tflite", threads=2).run([image])
    (copied,) = open_engine(model).run([image])
    np.testing.assert_array_equal(mapped, copied)


def test_warming_up_changes_no_result(model: bytes) -> None:
    image = np.random.default_rng(1).random((1, 64, 64, 1), np.float32)
    fresh, warm = open_engine(model), open_engine(model, warm=True)
    np.testing.assert_array_equal(fresh.run([image]), warm.run([image]))


@pytest.mark.parametrize("content", [b"", b"no model", b"\0" * 4096])
def test_what_is_no_model_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(EdgesegError, match="LiteRT refuses the model: ") as caught:
        open_engine(content)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgesegError, match="LiteRT refuses the model"):
        open_engine(tmp_path / "none.tflite")


def test_loading_says_nothing_and_gives_standard_error_back(
    model: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    open_engine(model)
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_the_engine_has_a_name_and_a_version() -> None:
    name, version = engine_name().split()
    assert name in ("ai-edge-litert", "tflite-runtime")
    assert version[0].isdigit()


_MADE_UP = """
import json

import numpy as np

from edgeseg.inference.engine_protocol import PieceFormat, PortDetail


class ThresholdEngine:
    '''Every output channel tells where the image is at least a level.'''

    seconds = 0.0

    def __init__(self, model, threads):
        text = model if isinstance(model, bytes) else model.read_bytes()
        self.levels = json.loads(text)

    @property
    def inputs(self):
        return (PortDetail("image", (1, 64, 64, 1), "float32", None, None),)

    @property
    def outputs(self):
        return (PortDetail("probabilities", (1, 64, 64, 3), "float32", None, None),)

    def run(self, arrays):
        (image,) = arrays
        return [np.concatenate([image >= level for level in self.levels], -1).astype(np.float32)]

    def run_and_show(self, arrays, take):
        take(0, self.run(arrays)[0])

    def run_on_zeros(self):
        pass


THRESHOLDS = PieceFormat("levels", ThresholdEngine, lambda: "thresholds 1.0")
"""


@pytest.fixture
def levels_bundle(uncut_bundle: Path, tmp_path: Path) -> Path:
    """A bundle of one piece that no TFLite engine can run."""
    manifest = Bundle(uncut_bundle).manifest
    model = json.dumps([0.25, 0.5, 0.75]).encode()
    packed = pack(model)
    piece = msgspec.structs.replace(
        manifest.pieces[0],
        format="levels",
        sha256=digest(model),
        bytes=len(model),
        compressed_bytes=len(packed),
    )
    path = tmp_path / "levels.edgeseg"
    write_bundle(path, msgspec.structs.replace(manifest, pieces=(piece,)), {piece.name: packed})
    return path


def test_a_piece_runs_in_the_engine_of_another_package(
    levels_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    Image.fromarray(pixels).save(tmp_path / "slice.png")
    words = ("segment", levels_bundle, tmp_path / "slice.png", "-o", tmp_path / "mask.png")
    refused = edgeseg(*words, "--local", 1)
    assert refused.code == 1
    assert "no engine here runs pieces of the format 'levels'" in refused.err.splitlines()[-1]

    entries = {"edgeseg.engines": {"levels": "made_up_engine:THRESHOLDS"}}
    (tmp_path / "package").mkdir()
    place = install_package(tmp_path / "package", "made_up_engine", _MADE_UP, entries)
    monkeypatch.setenv("PYTHONPATH", str(place), prepend=":")
    ran = edgeseg(*words, "--local", 1)
    assert ran.code == 0, ran.err
    mask = np.asarray(Image.open(tmp_path / "mask.png"))
    channels = Bundle(levels_bundle).manifest.decoding.channels
    levels = np.digitize(pixels / 255, [0.25, 0.5, 0.75])
    np.testing.assert_array_equal(mask, np.array([0, *channels])[levels])


def test_a_bundle_of_tflite_says_nothing_of_its_format(uncut_bundle: Path) -> None:
    opened = Bundle(uncut_bundle)
    assert b'"format": "tflite"' not in opened.signed_bytes
    assert {piece.file_format for piece in opened.manifest.pieces} == {"tflite"}
