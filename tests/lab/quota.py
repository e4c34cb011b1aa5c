"""A share of this machine's cores and memory for a process, by control groups of either kind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PERIOD = 20_000
"""Microseconds over which a quota holds: short, so that a slice is slowed down evenly."""


def missing() -> str | None:
    """Say why no quota can be set here; None where one can."""
    if _unified():
        return None if os.access(_ROOT / "cgroup.subtree_control", os.W_OK) else "not writable"
    if all(os.access(_ROOT / kind, os.W_OK) for kind in ("cpu", "memory")):
        return None
    return f"{_ROOT} has no controllers of cores and memory that can be written"


@contextmanager
def quota(name: str, cores: float, memory: int) -> Iterator[list[Path]]:
    """Make a group that may take so many cores and bytes; remove it in the end.

    Yields the files that take in a process by its number.
    """
    micros = round(cores * _PERIOD)
    if _unified():
        (_ROOT / "cgroup.subtree_control").write_text("+cpu +memory")
        settings = {
            _ROOT / name: {"cpu.max": f"{micros} {_PERIOD}", "memory.max": str(memory)},
        }
    else:
        settings = {
            _ROOT / "cpu" / name: {
                "cpu.cfs_period_us": str(_PERIOD),
                "cpu.cfs_quota_us": str(micros),
            },
            _ROOT / "memory" / name: {"memory.limit_in_bytes": str(memory)},
        }
    groups: list[Path] = []
    try:
        for group, values in settings.items():
            group.mkdir()
            groups.append(group)
            for file, value in values.items():
                (group / file).write_text(value)
        yield [group / "cgroup.procs" for group in groups]
    finally:
        for group in groups:
            group.rmdir()


def _unified() -> bool:
    """Tell whether version 2 rules cores and memory."""
    controllers = _ROOT / "cgroup.controllers"
    return controllers.exists() and {"cpu", "memory"} <= set(controllers.read_text().split())
