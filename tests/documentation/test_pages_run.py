"""Every command and every Python example of README and ``docs/`` runs as it is written there."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import pytest
from markdown_pages import ROOT, Page, pages
from processes import edgeseg, edgeseg_process
from synthetic_cases import drawn_label, write_case

from edgeseg.boards.boards_file import read_boards

README = Page(ROOT / "README.md")
BOARDS = Page(ROOT / "docs" / "boards" / "index.md")
HERE = ("192.168.1.", "127.0.0.")
"""What the boards' addresses begin with there, and in the test: each is one of this machine."""
KIDNEYS = slice(84, 90)
"""Slices that the commands are run on: each says the same of a hundred, and takes longer."""
PROGRAMS = {"mkdir", "cp"}
"""Which programs pages call beside ``edgeseg``; ``pip`` is not run."""
COMPUTES = [page for page in pages() if page.commands or page.blocks("python")]


@pytest.fixture(scope="module")
def material(
    data: Path, dicom_series: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The files that pages take for granted; the model is a tiny one, and so is its bundle."""
    folder = tmp_path_factory.mktemp("material")
    scan = nib.load(data / "totalsegmentator" / "example_ct.nii.gz")
    nib.save(scan.slicer[:, :, KIDNEYS], folder / "ct.nii.gz")
    shutil.copy(tiny_folder / "tiny.keras", folder / "kidney-unet.keras")
    shutil.copy(tiny_folder / "5.edgeseg", folder / "kidney.edgeseg")
    for kind in ("images", "labels"):
        (folder / "slices" / kind).mkdir(parents=True)
        for path in sorted((data / "kits19_slices" / kind).glob("case_0002*.png")):
            shutil.copy(path, folder / "slices" / kind)
    shutil.copytree(dicom_series, folder / "study")
    for number in range(2):
        write_case(folder / "cases", f"case_0000{number}", drawn_label(), seed=number)
    (folder / "masks").mkdir()
    nib.save(drawn_label(), folder / "masks" / "case_00000.nii.gz")
    write_case(folder / "truth", "case_00000", drawn_label(), seed=0)
    (folder / "boards.toml").write_text(BOARDS.files["boards.toml"].replace(*HERE))
    return folder


@pytest.fixture(scope="module")
def boards(material: Path) -> Iterator[None]:
    """Workers where the boards of the pages listen."""
    with ExitStack() as stack:
        for board in read_boards(material / "boards.toml").board:
            stack.enter_context(listening("worker", "--listen", board.address))
        yield


@pytest.fixture
def folder(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Path:
    """A folder of one page: the material, and the files that the page itself shows."""
    page: Page = request.getfixturevalue("page")
    shutil.copytree(material, tmp_path, dirs_exist_ok=True)
    for name, text in page.files.items():
        (tmp_path / name).write_text(text.replace(*HERE))
    if page == README:
        (tmp_path / "kidney.edgeseg").unlink()
        shutil.copy(ROOT / "examples" / "kidney_unet" / "kidney-unet.keras", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@contextmanager
def listening(*words: str) -> Iterator[None]:
    """Run a worker from when it listens to the end of the block."""
    process = edgeseg_process(*words)
    try:
        first = process.stdout.readline() if process.stdout else ""
        assert "listening" in first, process.communicate(timeout=30)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def run(command: str, background: ExitStack) -> None:
    """Run a command of a page; a worker that it leaves running ends with the page."""
    program, *words = shlex.split(command)
    if program == "edgeseg" and words[-1] == "&":
        background.enter_context(listening(*words[:-1]))
    elif program == "edgeseg":
        ran = edgeseg(*words, timeout=240)
        assert ran.code == 0, f"{command}: {ran.err}"
    elif program != "pip":
        assert program in PROGRAMS, command
        subprocess.run([program, *words], check=True)


def run_python(page: Page) -> str:
    """Run the Python of a page in one go; return what it printed."""
    command = [sys.executable, "-c", "\n".join(page.blocks("python"))]
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    ran = subprocess.run(command, capture_output=True, check=False, text=True, env=quiet)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", COMPUTES, ids=str)
@pytest.mark.usefixtures("boards")
def test_page_runs(page: Page, folder: Path) -> None:
    with ExitStack() as background:
        for command in page.commands:
            run(command, background)
    if page.blocks("python"):
        assert run_python(page)
    missing = [name for name in outputs(page) if not (folder / name).exists()]
    assert not missing


def outputs(page: Page) -> list[str]:
    """Return the files that a page's commands name as their outputs."""
    written = {"-o", "--report", "--html", "--preview", "--statistics", "--csv", "--plot"}
    lines = (shlex.split(line) for line in page.commands if "--dry-run" not in line)
    return [name for words in lines for flag, name in pairwise(words) if flag in written]


def test_every_command_is_shown_at_work() -> None:
    """The demo fetches what it needs; its own test runs it."""
    shown = {
        line.split()[1] for page in COMPUTES for line in page.commands if line[:8] == "edgeseg "
    }
    named = {path.stem for path in (ROOT / "docs" / "commands").glob("*.md")} - {"index", "demo"}
    assert named <= shown
