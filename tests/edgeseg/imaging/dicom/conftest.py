"""A small copy of the real series for each test to damage."""

import shutil
from pathlib import Path

import pytest
from dicom_copies import write_small


@pytest.fixture(scope="session")
def small_original(dicom_series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty slices of 64x64 at the liver."""
    return write_small(dicom_series, tmp_path_factory.mktemp("dicom") / "small")


@pytest.fixture
def small(small_original: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may change."""
    return Path(shutil.copytree(small_original, tmp_path / "ct"))
