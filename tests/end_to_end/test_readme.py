"""Every command and every Python example in the README runs as it is written there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import pytest
from processes import edgeseg_process
from synthetic_cases import drawn_label, write_case

from edgeseg.boards.boards_file import read_boards

ROOT = Path(__file__).parents[2]
HERE = ("192.168.1.", "127.0.0.")
"""What the boards' addresses begin with there, and in the test: each is one of this machine."""
KIDNEYS = slice(80, 92)
"""Slices that the commands are run on: each says the same of a hundred, and takes longer."""

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = (line for block in blocks("console") for line in block.splitlines())
    return [line.removeprefix("$ ").partition("   #")[0] for line in lines]


def named_toml(name: str) -> str:
    """The TOML file whose first line is its name."""
    (text,) = (block for block in blocks("toml") if block.startswith(f"# {name}"))
    return text


@pytest.fixture(scope="module")
def folder(
    data: Path, dicom_series: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder with the README's files, in which its commands are run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    scan = nib.load(data / "totalsegmentator" / "example_ct.nii.gz")
    nib.save(scan.slicer[:, :, KIDNEYS], folder / "ct.nii.gz")
    shutil.copy(ROOT / "examples" / "kidney_unet" / "kidney-unet.keras", folder)
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
    (folder / "quarter.toml").write_text(named_toml("quarter.toml"))
    (folder / "boards.toml").write_text(named_toml("boards.toml").replace(*HERE))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        yield folder


def test_names_its_commands() -> None:
    assert sum(command.startswith("edgeseg ") for command in commands()) >= 9


@pytest.mark.timeout(900)
def test_commands_run(folder: Path) -> None:
    boards = read_boards(folder / "boards.toml").board
    background = [edgeseg_process("worker", "--listen", board.address) for board in boards]
    try:
        for command in commands():
            program, *words = shlex.split(command)
            if words[-1] == "&":
                background.append(edgeseg_process(*words[:-1]))
            elif program == "edgeseg":
                run = [sys.executable, "-m", "edgeseg", *words]
                ran = subprocess.run(run, capture_output=True, check=False, text=True)
                assert ran.returncode == 0, f"{command}: {ran.stderr}"
            elif program != "pip":
                assert program in {"mkdir", "cp"}, command
                subprocess.run([program, *words], check=True)
    finally:
        for process in background:
            process.terminate()
            process.communicate()
    made = {path.name for path in folder.iterdir()}
    assert {"mask.nii.gz", "preview.png", "convert.json", "found.json", "run.json"} <= made
    assert {"compare.csv", "compare.png"} <= made
    assert (folder / "masks" / "evaluation.csv").read_text().splitlines()[-1].startswith("average")


@pytest.mark.timeout(600)
def test_python_runs(folder: Path) -> None:
    for code in blocks("python"):
        ran = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=False,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith("True "), ran.stdout


def test_boards_file_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "boards.toml"
    path.write_text(named_toml("boards.toml"))
    assert [board.name for board in read_boards(path).board] == ["pi-a", "jetson"]
