"""One headless browser a session, and a run of the tiny network to make pages of."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import CHROMIUM, FLAGS
from processes import Ran, edgeseg
from scans import write_ct


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, with a profile of its own that is gone afterwards."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def run_folder(tiny_bundle: Path) -> Iterator[Path]:
    """A folder with ``page.html`` and ``found.json`` of a scan whose file bears a name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = write_ct(folder / "Featherstone^Jane.nii.gz", (48, 56, 12))
        ran: Ran = edgeseg(
            *("segment", tiny_bundle, scan, "-o", folder / "mask.nii.gz", "--local", 1),
            *("--html", folder / "page.html", "--statistics", folder / "found.json"),
            *("--report", folder / "run.json"),
        )
        assert (ran.code, ran.err) == (0, "")
        assert "page.html" in ran.out
        yield folder


@pytest.fixture(scope="session")
def noise() -> Any:
    """Random numbers, always the same."""
    return np.random.default_rng(5)
