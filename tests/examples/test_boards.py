"""Boards files for one, two and four boards and for the cores of one: read, planned, used."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ports import free_ports
from processes import edgeseg
from scans import write_ct

from edgeseg.boards.boards_file import read_boards

FOLDER = Path(__file__).parents[2] / "examples" / "boards"
BOARDS = {"one_board": 1, "two_boards": 2, "four_boards": 4, "cores_of_one_board": 4}
STARTING_SECONDS = 60


def test_no_file_is_forgotten() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_boards_are_planned_for(name: str, tiny_bundle: Path) -> None:
    file = FOLDER / f"{name}.toml"
    boards = read_boards(file).board
    assert len({board.address for board in boards}) == BOARDS[name]
    ran = edgeseg("plan", tiny_bundle, "--boards", file, "--json", "--time-limit", 0.1)
    assert ran.code == 0, ran
    planned = json.loads(ran.out)
    assert {board["name"] for board in planned["boards"]} == {board.name for board in boards}
    assert planned["slices_per_second"] > 0


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Iterator["tuple[int, subprocess.Popen[bytes]]"]:
    """The workers of two cores: the first port, and the script that started them."""
    used = sorted(psutil.Process().cpu_affinity())
    if used[:2] != [0, 1]:
        pytest.skip(f"this test may run on the cores {used} alone, not on 0 and 1")
    port = free_ports(2)
    monkeypatch.setenv("EDGESEG_PORT", str(port))
    monkeypatch.setenv("EDGESEG_CORES", "2")
    monkeypatch.setenv("EDGESEG_PYTHON", sys.executable)
    with subprocess.Popen([FOLDER / "cores.sh"], stdout=subprocess.PIPE) as script:
        yield port, script
        script.kill()


def test_each_core_is_a_board(
    cores: "tuple[int, subprocess.Popen[bytes]]", tiny_bundle: Path, tmp_path: Path
) -> None:
    port, script = cores
    text = (FOLDER / "cores_of_one_board.toml").read_text()
    text = re.sub(r":735(\d)", lambda found: f":{port + int(found[1]) - 5}", text)
    file, report = tmp_path / "boards.toml", tmp_path / "report.json"
    file.write_text(text[: text.index('[[board]]\nname = "core-2"')])
    scan = write_ct(tmp_path / "ct.nii")
    assert script.stdout is not None
    for _ in range(2):
        assert script.stdout.readline().startswith(b"listening on tcp://127.0.0.1:")
    pinned = [child.cpu_affinity() for child in psutil.Process(script.pid).children()]
    assert sorted(pinned) == [[0], [1]]
    ran = edgeseg(
        *("segment", tiny_bundle, scan, "-o", tmp_path / "mask.nii"),
        *("--boards", file, "--report", report),
    )
    assert ran.code == 0, ran
    assert len(json.loads(report.read_text())["boards"]) == 2
    children = psutil.Process(script.pid).children()
    script.send_signal(signal.SIGINT)
    assert script.wait(STARTING_SECONDS) == 0
    assert not [child for child in children if child.is_running()]
