"""Files are written whole or not at all, and what stands in the way is said in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.errors import OutputError, UsageError
from edgeseg.files.atomic import atomic_folder, atomic_path, check_distinct, check_writable

_FILLS_THE_DISK = """
import resource, sys
from pathlib import Path
from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_path
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with atomic_path(Path(sys.argv[1])) as target:
        target.write_bytes(bytes(100_000))
except OutputError as error:
    sys.exit(str(error))
"""


def test_a_file_appears_whole_under_its_name_alone(tmp_path: Path) -> None:
    """The temporary name has the target's ending and does not outlive the block."""
    target = tmp_path / "mask.nii.gz"
    with atomic_path(target) as temporary:
        temporary.write_text("labels")
        assert temporary.name.endswith(".nii.gz")
        assert temporary.parent == tmp_path
        assert not target.exists()
    assert target.read_text() == "labels"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    """Others may read a result where the user's umask says so."""
    plain = tmp_path / "plain"
    plain.touch()
    with atomic_path(tmp_path / "result") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "result").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_older_file(tmp_path: Path, error: type[BaseException]) -> None:
    """Whatever ends the block early passes through, and nothing of the new file stays."""
    target = tmp_path / "bundle.edgeseg"
    target.write_text("old")
    with pytest.raises(error):
        _fail_halfway(target, error)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def _fail_halfway(target: Path, error: type[BaseException]) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error


def test_a_missing_folder_is_refused_early(tmp_path: Path) -> None:
    """The message names the file and what to do."""
    target = tmp_path / "no" / "mask.nii"
    with pytest.raises(OutputError, match=r"mask\.nii: no such file.*; create its folder first"):
        check_writable(target)
    with pytest.raises(OutputError, match="create its folder first"), atomic_path(target):
        pytest.fail("the block must not run")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder in the place of the target is refused and stays."""
    with pytest.raises(OutputError, match="give the name of a file"):
        check_writable(tmp_path)
    assert tmp_path.is_dir()


def test_a_device_is_never_replaced() -> None:
    """Renaming over /dev/null would break the machine."""
    with pytest.raises(OutputError, match="no ordinary file"), atomic_path(Path(os.devnull)):
        pytest.fail("the block must not run")


def test_a_read_only_folder_is_refused_early(tmp_path: Path) -> None:
    """Permissions do not stop root, but the kernel's own folders do."""
    folder = tmp_path
    if os.geteuid() == 0:
        folder = Path("/sys")
    else:
        folder.chmod(0o500)
    with pytest.raises(OutputError, match=r"choose a folder that (may be written to|is not read)"):
        check_writable(folder / "mask.nii")


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    """A check neither makes nor changes the target."""
    target = tmp_path / "statistics.json"
    check_writable(target)
    assert not list(tmp_path.iterdir())
    target.write_text("old")
    check_writable(target)
    assert target.read_text() == "old"


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A limit on file size fails in the midst of writing, as a full disk does."""
    target = tmp_path / "mask.nii"
    command = [sys.executable, "-c", _FILLS_THE_DISK, str(target)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"can't write {target}: file too large; ")
    assert run.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_appears_whole_and_keeps_its_other_files(tmp_path: Path) -> None:
    """Files of the same name are replaced, others stay."""
    target = tmp_path / "masks"
    target.mkdir()
    (target / "old.png").write_text("old")
    (target / "both.png").write_text("old")
    with atomic_folder(target) as folder:
        (folder / "both.png").write_text("new")
        assert (target / "both.png").read_text() == "old"
    assert {file.name: file.read_text() for file in target.iterdir()} == {
        "old.png": "old",
        "both.png": "new",
    }
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_no_folder(tmp_path: Path) -> None:
    """A folder that did not exist before does not exist after."""
    with pytest.raises(ValueError, match="stop"), atomic_folder(tmp_path / "masks") as folder:
        _stop_in(folder)
    assert not list(tmp_path.iterdir())


def _stop_in(folder: Path) -> None:
    (folder / "1.png").write_text("half")
    raise ValueError("stop")


def test_two_results_are_not_written_to_one_file(tmp_path: Path) -> None:
    """Whatever the file is called: through a link, or relative to elsewhere."""
    (tmp_path / "link").symlink_to(tmp_path)
    one, other = tmp_path / "a.json", tmp_path / "link" / "a.json"
    check_distinct(one, None, tmp_path / "b.json", None)
    for check in (check_distinct, check_writable):
        with pytest.raises(UsageError, match="two results would be written to"):
            check(one, None, other)
