"""Versions of the packages that masks depend on, found without importing heavy ones."""

import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from edgeseg.version import __version__

_PACKAGES = {
    "LiteRT": "ai-edge-litert",
    "tflite-runtime": "tflite-runtime",
    "NumPy": "numpy",
    "TensorFlow": "tensorflow",
}


def versions() -> Iterator[tuple[str, str]]:
    """Yield names and versions; of packages only those that are installed."""
    yield "edgeseg", __version__
    yield "Python", platform.python_version()
    for name, package in _PACKAGES.items():
        with suppress(PackageNotFoundError):
            yield name, version(package)
    from zmq import zmq_version

    yield "libzmq", zmq_version()
    yield "platform", f"{platform.system()} {platform.machine()}"
