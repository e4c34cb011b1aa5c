"""What a killed process leaves is private, and gone once the next one starts; all else stays."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.files.atomic import atomic_folder, atomic_path, check_writable
from edgeseg.files.ownership import claim, scratch_folder, sweep

_HALF = {
    "file": "from edgeseg.files.atomic import atomic_path as half",
    "folder": "from edgeseg.files.atomic import atomic_folder as half",
    "scratch": "import edgeseg.files.ownership as o\nhalf = lambda _: o.scratch_folder()",
}
_WAITS = """
import sys, time
from pathlib import Path
with half(Path(sys.argv[1])) as path:
    (path / "part" if path.is_dir() else path).write_text("secret")
    print(path, flush=True)
    time.sleep(600)
"""


class _Writer:
    """A process that is in the middle of writing."""

    def __init__(self, kind: str, target: Path) -> None:
        command = [sys.executable, "-c", _HALF[kind] + _WAITS, str(target)]
        environment = os.environ | {"TMPDIR": str(target.parent)}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, umask=0o022
        )
        assert self._process.stdout is not None
        self.temporary = Path(self._process.stdout.readline().strip())

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


def _start_next(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what any command does at its start."""
    monkeypatch.setattr("tempfile.tempdir", str(target.parent))
    check_writable(target)
    with scratch_folder():
        pass


@pytest.mark.parametrize("kind", list(_HALF))
def test_what_a_killed_process_left_is_private_and_swept(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "mask.nii.gz"
    writer = _Writer(kind, target)
    mode = writer.temporary.stat().st_mode
    assert mode & 0o077 == 0
    assert writer.temporary.parent == tmp_path
    _start_next(target, monkeypatch)
    assert writer.temporary.exists(), "its process lives"
    writer.kill()
    assert writer.temporary.exists()
    _start_next(target, monkeypatch)
    assert not list(tmp_path.iterdir())


def test_what_is_not_ours_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are alike, and what others may read: edgeseg never makes such files."""
    kept = [
        tmp_path / name
        for name in (".edgeseg-notes", ".0123456789abcdef.nii.gz", "edgeseg-data", "mask.nii")
    ]
    for path in kept:
        path.write_text("mine")
        path.chmod(0o600)
    shared = tmp_path / ".edgeseg-0123456789abcdef.nii.gz"
    shared.write_text("mine")
    shared.chmod(0o644)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    elsewhere.chmod(0o600)
    link = tmp_path / ".edgeseg-0123456789abcdff"
    link.symlink_to(elsewhere)
    before = set(tmp_path.iterdir())
    _start_next(tmp_path / "next.nii.gz", monkeypatch)
    assert set(tmp_path.iterdir()) == before


def test_what_was_swept_before_it_was_locked_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert claim(path) is None
    path.touch(0o600)
    lock = claim(path)
    assert lock is not None
    sweep(tmp_path, re.compile("x"))
    assert path.exists()
    os.close(lock)
    sweep(tmp_path, re.compile("x"))
    assert not path.exists()


def test_results_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    with atomic_path(tmp_path / "one") as path:
        assert path.stat().st_mode & 0o777 == 0o600
        path.write_text("x")
    with atomic_folder(tmp_path / "several") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "two").write_text("x")
    for path in (tmp_path / "one", tmp_path / "several" / "two"):
        assert path.stat().st_mode == plain.stat().st_mode


_TRACED = """
import os, sys
from pathlib import Path
from edgeseg.files.atomic import atomic_path
calls = []
def traced(name, real):
    def call(*args, **kwargs):
        of = os.readlink(f"/proc/self/fd/{args[0]}") if name == "fsync" else str(args[0])
        calls.append((name, of))
        return real(*args, **kwargs)
    return call
os.fsync = traced("fsync", os.fsync)
os.replace = traced("replace", os.replace)
os.rename = traced("rename", os.rename)
with atomic_path(Path(sys.argv[1])) as path:
    path.write_text("x")
for name, of in calls:
    print(name, of)
"""


def test_a_file_is_on_the_disk_before_its_name_and_then_the_name_too(tmp_path: Path) -> None:
    """The order that a power cut can't break."""
    target = tmp_path / "mask.nii"
    ran = subprocess.run(
        [sys.executable, "-c", _TRACED, str(target)], capture_output=True, check=True, text=True
    )
    calls = [line.split(" ", 1) for line in ran.stdout.splitlines()]
    assert [name for name, _ in calls] == ["fsync", "replace", "fsync"]
    assert calls[0][1] == calls[1][1] != str(target)
    assert calls[2][1] == str(tmp_path)
