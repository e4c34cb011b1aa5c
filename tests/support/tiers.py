"""What each test needs, as markers, and the guard that keeps the markers true.

A test that needs TensorFlow, a worker process, real CT, a browser or root says so by a marker of
its file (``pytestmark``), by its folder, or by a fixture; ``make quick`` runs those that need
nothing. Where ``EDGESEG_QUICK`` is set, importing TensorFlow is an error, so that a forgotten
marker is seen.
"""

import importlib.abc
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

_FIXTURES = {
    "data": "ct",
    "dicom_series": "ct",
    "tiny_folder": "tensorflow",
    "workers": "worker",
    "worker": "worker",
    "base_memory": "worker",
}
_FOLDERS = {
    "arm64": ("root",),
    "browser": ("browser", "tensorflow"),
    "documentation": ("worker", "tensorflow"),
    "end_to_end": ("worker", "tensorflow"),
    "examples": ("tensorflow",),
    "fuzz": ("worker", "tensorflow"),
    "lab": ("root", "worker"),
    "soak": ("worker", "tensorflow"),
}
_TESTS = Path(__file__).parents[1]
_TENSORFLOW = "pytestmark = pytest.mark.tensorflow"
_HEAVY = frozenset({"tensorflow", "tf_keras", "keras"})

# A loaded machine must not fail a test of properties; what failed can be repeated by its blob.
settings.register_profile("edgeseg", deadline=None, print_blob=True)
settings.register_profile("quick", settings.get_profile("edgeseg"), max_examples=20)
settings.load_profile("quick" if os.environ.get("EDGESEG_QUICK") else "edgeseg")


class _Blocked(importlib.abc.MetaPathFinder):
    """Refuses TensorFlow in tests that are said not to need it."""

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> None:
        """Raise for the top-level packages that are heavy."""
        if name in _HEAVY:
            _refuse(name)


def _refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} is imported by a test without the marker 'tensorflow'; add it")


def pytest_configure() -> None:
    """Block what quick tests must not import."""
    if os.environ.get("EDGESEG_QUICK"):
        sys.meta_path.insert(0, _Blocked())


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out, where quick tests are asked for, what says that it needs TensorFlow."""
    if not os.environ.get("EDGESEG_QUICK") or not collection_path.is_relative_to(_TESTS):
        return None
    parts = collection_path.relative_to(_TESTS).parts
    if parts and parts[0] in _FOLDERS:
        return True
    marked = collection_path.suffix == ".py" and _TENSORFLOW in collection_path.read_text()
    return True if marked else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder and their fixtures; those that need nothing run first."""
    for item in items:
        top = item.path.relative_to(_TESTS).parts[0]
        needs = set(_FOLDERS.get(top, ()))
        needs |= {
            _FIXTURES[name] for name in getattr(item, "fixturenames", ()) if name in _FIXTURES
        }
        for need in sorted(needs):
            item.add_marker(need)
