"""Puts what the soak tests need onto the path, and makes the bundles that they run."""

import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / folder) for folder in ("support", "lab", "benchmarks")]

from measures import convert  # noqa: E402 found through the path


def paper_bundles(folder: Path) -> tuple[Path, Path]:
    """Return the paper's U-Net uncut and in pieces, made unless the folder has them.

    Parameters
    ----------
    folder
        Where they are or come to be: ``base64-1.edgeseg`` and ``base64-12.edgeseg``.
    """
    uncut, cut = (folder / f"base64-{max_partitions}.edgeseg" for max_partitions in (1, 12))
    if not (uncut.exists() and cut.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        models = _TESTS / "benchmarks" / "models.py"
        subprocess.run([sys.executable, str(models), str(folder)], check=True)
        for path, max_partitions in ((uncut, "1"), (cut, "12")):
            flags = ["--max-partitions", max_partitions]
            convert(folder / "base64.keras", path, folder / "cache", flags)
    return uncut, cut
