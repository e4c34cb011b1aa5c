"""What tests of several rooms share: real CT, a cache of their own, tiny bundles, workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from processes import Workers
from talking import Sockets, greet

from edgeseg.demo.sample import sample_series
from edgeseg.errors import EdgesegError
from edgeseg.imaging.levels import Grey

pytest_plugins = ["tiers"]

_OWN_CACHE = os.environ.get("XDG_CACHE_HOME")

# A shell's background jobs ignore interrupts, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real CT."""
    folder = os.environ.get("EDGESEG_DATA")
    if not folder:
        pytest.skip("EDGESEG_DATA is not set: no real CT here")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this session alone, for the processes that tests start too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def dicom_series() -> Path:
    """A real CT series out of the user's own cache, so that not every session fetches it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XDG_CACHE_HOME", raising=False)
        if _OWN_CACHE is not None:
            patch.setenv("XDG_CACHE_HOME", _OWN_CACHE)
        try:
            return sample_series()
        except EdgesegError as error:
            pytest.skip(f"no DICOM series here: {error}")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tiny U-Net and its bundles are."""
    folder = tmp_path_factory.mktemp("tiny")
    tests = Path(__file__).parent
    command = [sys.executable, str(tests / "support" / "tiny_model.py"), str(folder)]
    places = (str(tests / "support"), os.environ.get("PYTHONPATH"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
    made = subprocess.run(command, capture_output=True, check=False, env=environment, text=True)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_folder: Path) -> Path:
    """A residual U-Net of 64x64 pixels in five pieces, with skips across the cuts."""
    return tiny_folder / "5.edgeseg"


@pytest.fixture(scope="session")
def uncut_bundle(tiny_folder: Path) -> Path:
    """The same U-Net as one piece: what every placement must agree with bit by bit."""
    return tiny_folder / "1.edgeseg"


@pytest.fixture(scope="session")
def hounsfield() -> NDArray[np.int16]:
    """Six slices of noise around soft tissue under air, (slices, rows, columns), all unlike."""
    noise: Any = np.random.default_rng(3).integers(-100, 400, (6, 64, 64), dtype=np.int16)
    noise[:, :2] = -1000
    image: NDArray[np.int16] = noise
    return image


@pytest.fixture(scope="session")
def greys() -> list[Grey]:
    """Four slices of noise as the tiny U-Net reads them, (rows, columns), all unlike."""
    noise = np.random.default_rng(7).integers(0, 256, (4, 64, 64), np.uint8)
    return list(noise)


@pytest.fixture(scope="session")
def base_memory() -> int:
    """Bytes that a worker takes on this machine before any piece."""
    with Workers() as started, Sockets() as sockets:
        return greet(sockets.link(started.start().endpoint)).base_memory_bytes


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Starts real workers, and ends those that still run after the test."""
    with Workers() as started:
        yield started


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what must work before anything else is worth looking at."""
    items.sort(key=lambda item: item.path.name != "test_tiny.py")
