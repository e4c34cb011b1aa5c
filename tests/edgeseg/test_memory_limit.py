"""What this process may still take, from trees like those of a kernel and from this machine."""

from pathlib import Path

import psutil
import pytest

from edgeseg.memory_limit import cgroup_limit, free_memory


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/system.slice/worker.service\n", {"system.slice/worker.service/memory.max": "99"}, 99),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "50", "memory.max": "70"}, 50),
        ("0::/a\n", {"a/memory.max": "max"}, None),
        ("4:memory:/c\n2:cpu:/\n0::/\n", {"memory/c/memory.limit_in_bytes": "30"}, 30),
    ],
)
def test_the_tightest_group_counts(
    tmp_path: Path, groups: str, files: dict[str, str], limit: int | None
) -> None:
    _write(tmp_path, "proc/self/cgroup", groups)
    for name, text in files.items():
        _write(tmp_path, f"sys/fs/cgroup/{name}", f"{text}\n")
    assert cgroup_limit(tmp_path) == limit


def test_a_machine_that_tells_nothing_limits_nothing(tmp_path: Path) -> None:
    assert cgroup_limit(tmp_path) is None


def test_this_machine_can_be_asked() -> None:
    limit = cgroup_limit()
    assert limit is None or limit > psutil.Process().memory_info().rss
    assert 0 < free_memory() <= psutil.virtual_memory().total
