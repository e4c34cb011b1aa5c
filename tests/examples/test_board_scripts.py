"""A board set up by its script, and a scan segmented on it by the workstation's, as READMEs say."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ports import free_ports
from scans import write_ct

from edgeseg.boards.boards_file import read_boards
from edgeseg_runtime.board.config import worker_config

EXAMPLES = Path(__file__).parents[2] / "examples"
KINDS = ("raspberry_pi", "jetson")
WORKSTATION = EXAMPLES / "boards" / "workstation.sh"
CHECK_MASK = EXAMPLES / "boards" / "check_mask.py"


@dataclass(frozen=True)
class Desk:
    """A workstation's folder and a board's, on this machine."""

    folder: Path
    port: int = field(default_factory=free_ports)

    @property
    def root(self) -> Path:
        """Where / of the board is."""
        return self.folder / "board"

    @property
    def kept(self) -> Path:
        """What the workstation keeps."""
        return self.folder / "kept"

    @property
    def process(self) -> int:
        """The worker's number."""
        return int((self.root / "run" / "edgeseg-worker.pid").read_text())

    def run(self, *words: object, **variables: object) -> "subprocess.CompletedProcess[str]":
        told = {
            "EDGESEG_FOLDER": self.kept,
            "EDGESEG_PYTHON": sys.executable,
            "EDGESEG_ROOT": self.root,
            "EDGESEG_LISTEN": f"tcp://127.0.0.1:{self.port}",
            "EDGESEG_MEMORY": "512MiB",
            **variables,
        }
        command = list(map(str, words))
        environment = os.environ | {name: str(value) for name, value in told.items()}
        return subprocess.run(
            command,
            capture_output=True,
            check=False,
            text=True,
            cwd=self.folder,
            env=environment,
            timeout=120,
        )

    def unpack(self, kind: str = KINDS[0]) -> Path:
        """Do what happens on the board before its script is run; return the script."""
        ran = self.run(WORKSTATION, "kit", kind)
        assert ran.returncode == 0, ran
        with tarfile.open(self.kept / f"{kind}.tar.gz") as kit:
            kit.extractall(self.folder, filter="data")
        return self.folder / kind / "board.sh"


def steps(said: str) -> list[int]:
    """Return the numbers at the beginnings of lines."""
    words = (line.partition(". ") for line in said.splitlines())
    return [int(number) for number, dot, _ in words if dot and number.isdigit()]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A board whose script has run, and runs no more."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    ran = desk.run(desk.unpack())
    assert ran.returncode == 0, ran
    assert steps(ran.stdout) == list(range(1, 10))
    yield desk
    os.kill(desk.process, signal.SIGTERM)


def test_files_are_where_the_unit_looks(board: Desk) -> None:
    settings = board.root / "etc" / "edgeseg"
    assert (settings / "worker.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (settings / "authorized").iterdir()] == ["clinic.pub"]
    config = worker_config(settings / "worker.toml", {})
    assert (config.memory_limit, config.metrics) == ("512MiB", None)
    assert config.key == str(settings / "worker.key")
    (entry,) = read_boards(settings / "board.toml").board
    assert entry.address == config.listen
    assert entry.public_key is not None


def test_systemd_finds_nothing_wrong(board: Desk, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: systemd can't check the unit")
    units = shutil.copytree(board.root / "etc" / "systemd" / "system", tmp_path / "units")
    unit, limits = units / "edgeseg-worker.service", units / "edgeseg-worker.service.d/memory.conf"
    unit.write_text(unit.read_text().replace("/opt/edgeseg/bin/edgeseg", "/bin/true"))
    assert f"MemoryMax={-(-512 * 2**20 * 105 // 100)}" in limits.read_text().splitlines()

    def verify() -> tuple[int, str]:
        words: Sequence[object] = (analyze, "verify", unit)
        ran = subprocess.run(words, capture_output=True, check=False, text=True)  # type: ignore[arg-type]
        return ran.returncode, ran.stdout + ran.stderr

    assert verify() == (0, "")
    limits.write_text("[Service]\nMemoryMax=plenty\n")
    assert "plenty" in verify()[1]


def test_a_scan_is_segmented_on_it(board: Desk, tiny_bundle: Path) -> None:
    (board.kept / "boards").mkdir(exist_ok=True)
    shutil.copy(board.root / "etc" / "edgeseg" / "board.toml", board.kept / "boards" / "a.toml")
    scan = write_ct(board.folder / "ct.nii")
    ran = board.run(WORKSTATION, "segment", scan, EDGESEG_BUNDLE=tiny_bundle)
    assert ran.returncode == 0, ran
    assert steps(ran.stdout) == list(range(1, 8))
    assert "labelled, 0.000% apart" in ran.stdout
    made = {path.name for path in board.kept.iterdir()}
    assert {"mask.nii.gz", "preview.png", "report.json", "boards.toml"} <= made
    assert "piece_ms" in (board.kept / "boards.toml").read_text()


def test_a_second_run_keeps_the_key_and_replaces_the_worker(board: Desk) -> None:
    key = board.root / "etc" / "edgeseg" / "worker.key"
    before, process = key.read_text(), board.process
    ran = board.run(board.folder / "raspberry_pi" / "board.sh", EDGESEG_MEMORY="300MiB")
    assert ran.returncode == 0, ran
    assert key.read_text() == before
    assert board.process != process
    (entry,) = read_boards(board.root / "etc" / "edgeseg" / "board.toml").board
    assert entry.memory == "300MiB"


def test_a_board_that_is_not_fit_is_not_started(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    ran = desk.run(desk.unpack("jetson"), EDGESEG_MEMORY="10MiB")
    assert ran.returncode == 1
    assert "raise --memory-limit" in " ".join(ran.stdout.split())
    assert ran.stderr.splitlines()[-1].startswith("stopped in step 6: Ask the doctor")
    assert not (desk.root / "run" / "edgeseg-worker.pid").exists()


def test_a_board_without_a_workstation_s_key_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    script = desk.unpack()
    (script.parent / "clinic.pub").unlink()
    ran = desk.run(script)
    assert ran.returncode == 1
    assert "no workstation's public key" in ran.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "workstation.sh kit KIND"),
        (("kit", "toaster"), 1, "take raspberry_pi or jetson"),
        (("segment",), 1, "copy each board's"),
        (("segment", "none.nii"), 1, "there is no none.nii"),
    ],
)
def test_the_workstation_says_what_is_missing(
    words: Sequence[str], code: int, said: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    ran = Desk(tmp_path).run(WORKSTATION, *words, EDGESEG_BUNDLE=tiny_bundle)
    assert ran.returncode == code
    assert said in ran.stderr


def test_masks_that_differ_are_told(tmp_path: Path) -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[2:4, 2:4] = 1
    almost, empty = labels.copy(), labels * 0
    almost[2, 2:4] = 2
    cases = ((almost, ""), (empty, "more than 2%"), (labels[1:], "another grid"))
    mask, reference = tmp_path / "mask.png", tmp_path / "reference.png"
    Image.fromarray(labels).save(mask)
    for image, complaint in cases:
        Image.fromarray(image).save(reference)
        command = [sys.executable, CHECK_MASK, mask, reference]
        ran = subprocess.run(command, capture_output=True, check=False, text=True)
        assert ran.returncode == bool(complaint)
        assert complaint in ran.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_readme_names_what_there_is(kind: str) -> None:
    text = (EXAMPLES / kind / "README.md").read_text(encoding="utf-8")
    for word in (f"workstation.sh kit {kind}", f"sudo ./{kind}/board.sh", "workstation.sh segment"):
        assert word in text


@pytest.mark.parametrize(
    "script", [*sorted(EXAMPLES.rglob("*.sh")), EXAMPLES.parent / ".ci" / "run"], ids=str
)
def test_shellcheck_finds_nothing(script: Path) -> None:
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not installed: nothing looks over the shell scripts")
    command = [checker, "--external-sources", "--source-path=SCRIPTDIR", script]
    ran = subprocess.run(command, capture_output=True, check=False, text=True)
    assert ran.returncode == 0, ran.stdout
