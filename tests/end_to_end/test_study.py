"""``edgeseg study`` on this machine: a folder of scans in, masks, summary and contact sheet out."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dask_processes import dask_workers, segmenting, until
from PIL import Image
from processes import Ran, Workers, edgeseg, edgeseg_process, one_line, output_of
from scans import names, write_ct
from synthetic_cases import drawn_label, write_case

from edgeseg.output.terminal import RESEARCH_NOTE

pytest.importorskip("distributed")

_CASES = ("case_00000", "case_00001")
_LONG = (64, 64, 700)


def _summary(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@contextmanager
def _running(*words: object) -> Iterator["subprocess.Popen[str]"]:
    run = edgeseg_process("study", *words)
    try:
        yield run
    finally:
        run.kill()
        run.communicate()


@pytest.fixture(scope="module")
def kits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases as KiTS lays them out, a folder of pictures, and a truncated volume."""
    folder = tmp_path_factory.mktemp("kits")
    for seed, name in enumerate(_CASES):
        write_case(folder, name, drawn_label(), seed)
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(2):
        Image.effect_noise((64, 64), 90).save(pictures / f"{number}.png")
    whole = write_ct(folder / "broken.nii.gz")
    whole.write_bytes(whole.read_bytes()[:2000])
    return folder


@pytest.fixture(scope="module")
def studied(tiny_bundle: Path, kits: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The study of these, in a folder that is made for it."""
    folder = tmp_path_factory.mktemp("studied") / "deep" / "masks"
    return folder, edgeseg("study", tiny_bundle, kits, "-o", folder)


def test_a_broken_volume_is_listed_and_the_rest_is_done(studied: tuple[Path, Ran]) -> None:
    folder, ran = studied
    one_line(ran, 1, "1 of 4 volumes failed", "run the same command again")
    assert "broken.nii.gz is truncated or damaged" in " ".join(ran.out.split())
    assert RESEARCH_NOTE in ran.out
    finished = (*_CASES, "pictures")
    written = {f"{name}{end}" for name in finished for end in (".json", ".jpg")}
    masks = {"case_00000.nii.gz", "case_00001.nii.gz", "pictures"}
    assert names(folder) == {*written, *masks, "summary.csv", "contact-sheet.html"}
    assert names(folder / "pictures") == {"0.png", "1.png"}


def test_the_summary_has_a_line_for_each(studied: tuple[Path, Ran]) -> None:
    broken, first, second, pictures = _summary(studied[0])
    assert list(first) == [
        *("volume", "seconds", "slices", "kidney mL", "tumor mL", "cyst mL", "flags", "error")
    ]
    assert broken["error"].endswith("copy it again")
    assert (first["volume"], second["volume"]) == _CASES
    assert (first["slices"], first["error"]) == ("5", "")
    assert float(first["seconds"]) > 0
    assert sum(float(first[f"{name} mL"]) for name in ("kidney", "tumor", "cyst")) > 0
    assert first["flags"].startswith("first or last slice holds ")
    assert pictures["kidney mL"] == ""


def test_the_contact_sheet_shows_them_all(studied: tuple[Path, Ran]) -> None:
    page = (studied[0] / "contact-sheet.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 3
    assert 'href="#broken"' in page
    assert "is truncated or damaged" in page
    assert RESEARCH_NOTE in page
    assert "http://" not in page
    assert "https://" not in page


def test_masks_are_those_of_segment(
    studied: tuple[Path, Ran], tiny_bundle: Path, kits: Path, tmp_path: Path
) -> None:
    scan = kits / _CASES[1] / "imaging.nii.gz"
    ran = edgeseg("segment", tiny_bundle, scan, "-o", tmp_path / "mask.nii.gz", "--local", 1)
    assert ran.code == 0, ran
    mask = studied[0] / f"{_CASES[1]}.nii.gz"
    assert mask.read_bytes() == (tmp_path / "mask.nii.gz").read_bytes()


def test_finished_volumes_are_skipped_and_others_tried_again(
    tiny_bundle: Path, kits: Path, studied: tuple[Path, Ran]
) -> None:
    folder, _ = studied
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.nii.gz")}
    write_ct(kits / "broken.nii.gz")
    ran = edgeseg("study", tiny_bundle, kits, "-o", folder, "--json")
    assert (ran.code, ran.err) == (0, "")
    printed = json.loads(ran.out)
    assert (printed["segmented"], printed["skipped"], printed["failed"]) == (1, 3, 0)
    assert [volume["volume"] for volume in printed["volumes"]] == ["broken", *_CASES, "pictures"]
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert all(row["error"] == "" for row in _summary(folder))
    repeated = edgeseg("study", tiny_bundle, kits, "-o", folder)
    assert (repeated.code, repeated.err) == (0, "")
    assert "0 volumes in 0 s; finished before: 4" in repeated.out


def test_two_of_one_name_are_refused_before_any_work(tiny_bundle: Path, tmp_path: Path) -> None:
    scans = []
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        scans.append(write_ct(tmp_path / place / "scan.nii.gz"))
    ran = edgeseg("study", tiny_bundle, *scans, "-o", tmp_path / "masks")
    one_line(ran, 2, *map(str, scans), "would both be called scan", "rename one")
    assert names(tmp_path) == {"one", "other"}


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("--groups",), "--groups is for --scheduler"),
        (("--boards", "none.toml"), "can't read the boards file"),
        (("--boards", "b.toml", "--scheduler", "tcp://127.0.0.1:1"), "--groups"),
        (("--patience", "soon"), "is no time"),
    ],
)
def test_flags_that_make_no_sense_are_wrong_usage(
    tiny_bundle: Path, tmp_path: Path, words: tuple[str, ...], printed: str
) -> None:
    scan = write_ct(tmp_path / "ct.nii")
    one_line(edgeseg("study", tiny_bundle, scan, "-o", tmp_path / "masks", *words), 2, printed)
    assert names(tmp_path) == {"ct.nii"}


def test_a_killed_workers_volume_is_run_again(tiny_bundle: Path, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    for number in range(2):
        write_ct(scans / f"{number}.nii", _LONG)
    with _running(tiny_bundle, scans, "-o", tmp_path / "masks", "--json") as run:
        until(lambda: any(map(segmenting, dask_workers(run.pid))))
        next(filter(segmenting, dask_workers(run.pid))).kill()
        ended = output_of(run, timeout=120)
    assert ended.code == 0, ended
    assert "was lost; what it had begun is done again" in ended.complaint
    assert json.loads(ended.out)["segmented"] == 2
    first, second = ((tmp_path / "masks" / f"{number}.nii.gz").read_bytes() for number in range(2))
    assert first == second  # the scans are the same


def test_a_study_that_was_stopped_goes_on(tiny_bundle: Path, tmp_path: Path) -> None:
    scans, masks = tmp_path / "scans", tmp_path / "masks"
    scans.mkdir()
    for number in range(4):
        write_ct(scans / f"{number}.nii", (64, 64, 30) if number < 2 else _LONG)
    with _running(tiny_bundle, scans, "-o", masks) as run:
        until(lambda: (masks / "0.json").exists() and (masks / "1.json").exists())
        until(lambda: any(map(segmenting, dask_workers(run.pid))))
        run.send_signal(signal.SIGINT)
        ended = output_of(run)
    assert ended.code == 130
    assert "of 4 volumes are done; the same command does the rest" in ended.err
    assert "Traceback" not in ended.err
    assert {row["volume"] for row in _summary(masks)} >= {"0", "1"}
    assert (masks / "contact-sheet.html").exists()
    # A worker may be stopped between a mask and its record: only with that a volume is finished.
    finished = [masks / f"{record.stem}.nii.gz" for record in masks.glob("*.json")]
    before = {path: path.stat().st_mtime_ns for path in finished}
    ran = edgeseg("study", tiny_bundle, scans, "-o", masks)
    assert (ran.code, ran.err) == (0, "")
    assert f"finished before: {len(before)}" in ran.out
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert len(_summary(masks)) == 4


def test_volumes_that_nobody_had_heard_of_count_when_a_study_is_stopped(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """Workers finish volumes before their word reaches the one who is interrupted."""
    scan, masks = write_ct(tmp_path / "ct.nii"), tmp_path / "masks"
    script = (
        "import edgeseg.cli.main, edgeseg_runtime.study.study as study\n"
        "segment = study._segment\n"
        "def unheard(whole, tasks, outcomes, total):\n"
        "    segment(whole, tasks, {}, total)\n"
        "    raise KeyboardInterrupt\n"
        "study._segment = unheard\n"
        "edgeseg.cli.main.main()\n"
    )
    words = ("study", tiny_bundle, scan, "-o", masks)
    run = [sys.executable, "-c", script, *map(str, words)]
    ran = subprocess.run(run, capture_output=True, check=False, text=True)
    assert ran.returncode == 130, ran.stderr
    assert "1 of 1 volumes are done" in ran.stderr
    assert [row["volume"] for row in _summary(masks)] == ["ct"]


def test_a_group_of_boards_segments(
    workers: Workers, tiny_bundle: Path, kits: Path, studied: tuple[Path, Ran], tmp_path: Path
) -> None:
    """And a group without its boards fails its volumes with what is wrong."""
    boards = tmp_path / "boards.toml"
    boards.write_text(
        "".join(
            f'[[board]]\nname = "board-{number}"\nendpoint = "{workers.start().endpoint}"\n'
            for number in range(2)
        )
    )
    missing = tmp_path / "missing.toml"
    missing.write_text('[[board]]\nname = "gone"\nendpoint = "tcp://127.0.0.1:9"\n')
    (name, _), masks = _CASES, tmp_path / "masks"
    words = ("study", tiny_bundle, kits / name, "-o", masks, "--patience", "1s", "--json")
    failed = edgeseg(*words, "--boards", missing)
    assert failed.code == 1
    assert "no worker answers at tcp://127.0.0.1:9" in json.loads(failed.out)["volumes"][0]["error"]
    assert "trying again" in failed.err
    ran = edgeseg(*words, "--boards", boards)
    assert (ran.code, ran.err) == (0, "")
    assert (masks / f"{name}.nii.gz").read_bytes() == (studied[0] / f"{name}.nii.gz").read_bytes()
