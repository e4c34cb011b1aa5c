"""How much memory this process may still take, by the machine and by its control groups."""

from collections.abc import Iterator
from pathlib import Path

import psutil

_ROOT = Path("/")


def free_memory() -> int:
    """Return the bytes that this process may still take without being killed for it."""
    free = int(psutil.virtual_memory().available)
    limit = cgroup_limit()
    return free if limit is None else min(free, limit - int(psutil.Process().memory_info().rss))


def cgroup_limit(root: Path = _ROOT) -> int | None:
    """Return the least memory limit, in bytes, of the control groups of this process."""
    files = {"": "memory.max", "memory": "memory.limit_in_bytes"}
    groups = control_groups(root, *files)
    stated = (_text(group / files[controller]) for controller, group in groups)
    return min((int(text) for text in stated if text.isdecimal()), default=None)


def control_groups(root: Path, *controllers: str) -> Iterator[tuple[str, Path]]:
    """Yield the control groups of this process with those around them, by controller.

    The controller of version 2, which holds all, is the empty text.
    """
    for entry in _text(root / "proc/self/cgroup").splitlines():
        _, names, name = entry.split(":", 2)
        for controller in set(names.split(",")) & set(controllers):
            folder = root / "sys/fs/cgroup" / controller
            inner = folder / name.lstrip("/")
            for group in (inner, *inner.parents):
                if group.is_relative_to(folder):
                    yield controller, group


def _text(path: Path) -> str:
    """Return what a kernel's file says; nothing if it can't be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
