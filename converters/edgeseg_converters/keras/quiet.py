"""Imports TensorFlow and Keras, and keeps their messages off the terminal."""

import importlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgeseg.errors import EdgesegError

_STDERR = 2
_LEGACY = "TF_USE_LEGACY_KERAS"
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


def import_tensorflow() -> Any:
    """Import TensorFlow without its greetings and return the module.

    Raises
    ------
    EdgesegError
        If TensorFlow is not installed; the message names the extra.
    """
    return _import("tensorflow")


def import_keras() -> Any:
    """Import Keras 3 on TensorFlow, as :func:`import_tensorflow` does."""
    return _import("keras")


def import_tf_keras() -> Any:
    """Import tf_keras, the Keras 2 that reads models of its time."""
    return _import("tf_keras")


def import_model_optimization() -> Any:
    """Import tensorflow-model-optimization, which works on models of tf_keras."""
    import_tf_keras()
    before = os.environ.get(_LEGACY)
    try:
        return _import("tensorflow_model_optimization")
    finally:
        # It switches the whole process, and those it starts, over to Keras 2.
        if before is None:
            os.environ.pop(_LEGACY, None)
        else:
            os.environ[_LEGACY] = before


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what native code writes to standard error while the block runs.

    The file descriptor is redirected, for C++ knows no ``sys.stderr``; Python's own standard
    error keeps reaching the terminal, so a progress bar may run meanwhile. If the block raises,
    the held-back text goes with the exception as a note, which ``--debug`` shows.
    """
    with tempfile.TemporaryFile() as held, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _descriptor_to(held.fileno()):
                yield
        except Exception as error:
            _attach(error, held)
            raise


def _import(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    os.environ.update(_ENVIRONMENT)
    try:
        with quiet():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = (
            f"reading and converting models needs {error.name}: pip install 'edgeseg[convert]'"
        )
        raise EdgesegError(message) from error


@contextmanager
def _descriptor_to(target: int) -> Iterator[None]:
    """Point file descriptor 2 at the target; Python's standard error keeps the terminal."""
    python_stderr = sys.stderr
    terminal = os.dup(_STDERR)
    os.dup2(target, _STDERR)
    try:
        if _writes_to_descriptor(python_stderr):
            sys.stderr = os.fdopen(os.dup(terminal), "w", buffering=1)
        yield
    finally:
        if sys.stderr is not python_stderr:
            sys.stderr.close()
            sys.stderr = python_stderr
        os.dup2(terminal, _STDERR)
        os.close(terminal)


def _writes_to_descriptor(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == _STDERR)
    except (AttributeError, io.UnsupportedOperation):
        return False


def _attach(error: Exception, held: Any) -> None:
    held.seek(0)
    text = held.read().decode(errors="replace").strip()
    if text and sys.version_info >= (3, 11):
        error.add_note(text)
