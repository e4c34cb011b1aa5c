"""Where the lab can be set up."""

import subprocess
import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    """Skip where the lab itself says that it can't be set up."""
    code = "import network, sys; sys.stdout.write(network.missing() or '')"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=_FOLDER, text=True
    )
    if process.stdout:
        pytest.skip(process.stdout)
