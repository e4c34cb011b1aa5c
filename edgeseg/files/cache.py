"""The cache: a folder for files that can be made again."""

import os
from pathlib import Path

from edgeseg.errors import OutputError


def cache_folder(name: str) -> Path:
    """Return ``~/.cache/edgeseg/NAME`` (``XDG_CACHE_HOME`` is heeded), made for its owner alone.

    Raises
    ------
    OutputError
        If it can't be made.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "edgeseg" / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"can't make the cache folder {folder} ({error.strerror}); set XDG_CACHE_HOME"
        ) from None
    return folder
