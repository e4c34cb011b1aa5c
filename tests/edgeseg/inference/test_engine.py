"""A piece runs in LiteRT, and what LiteRT refuses is one line."""

import os
from pathlib import Path

import numpy as np
import pytest

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import EdgesegError
from edgeseg.inference.engine import Interpreter, engine_name


@pytest.fixture(scope="module")
def model(uncut_bundle: Path) -> bytes:
    opened = Bundle(uncut_bundle)
    return opened.piece(opened.manifest.pieces[0])


def test_ports_are_what_the_file_says(model: bytes) -> None:
    interpreter = Interpreter(model)
    (entering,), (leaving,) = interpreter.inputs, interpreter.outputs
    assert (entering.shape, entering.dtype) == ((1, 64, 64, 1), "float32")
    assert (leaving.shape, leaving.dtype) == ((1, 64, 64, 3), "float32")
    assert entering.scale is None


def test_outputs_outlive_the_next_run(model: bytes) -> None:
    interpreter = Interpreter(model)
    (first,) = interpreter.run([np.zeros((1, 64, 64, 1), np.float32)])
    kept = first.copy()
    (second,) = interpreter.run([np.ones((1, 64, 64, 1), np.float32)])
    np.testing.assert_array_equal(first, kept)
    assert np.any(first != second)


def test_a_file_runs_like_its_bytes(model: bytes, tmp_path: Path) -> None:
    (tmp_path / "piece.tflite").write_bytes(model)
    image = np.random.default_rng(0).random((1, 64, 64, 1), np.float32)
    (mapped,) = Interpreter(tmp_path / "piece.tflite", threads=2).run([image])
    (copied,) = Interpreter(model).run([image])
    np.testing.assert_array_equal(mapped, copied)


def test_warming_up_changes_no_result(model: bytes) -> None:
    image = np.random.default_rng(1).random((1, 64, 64, 1), np.float32)
    fresh, warm = Interpreter(model), Interpreter(model)
    warm.run_on_zeros()
    np.testing.assert_array_equal(fresh.run([image]), warm.run([image]))


@pytest.mark.parametrize("content", [b"", b"no model", b"\0" * 4096])
def test_what_is_no_model_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(EdgesegError, match="LiteRT refuses the model: ") as caught:
        Interpreter(content)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgesegError, match="LiteRT refuses the model"):
        Interpreter(tmp_path / "none.tflite")


def test_loading_says_nothing_and_gives_standard_error_back(
    model: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    Interpreter(model)
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_the_engine_has_a_name_and_a_version() -> None:
    name, version = engine_name().split()
    assert name in ("ai-edge-litert", "tflite-runtime")
    assert version[0].isdigit()
