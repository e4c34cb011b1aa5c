"""``edgeseg profile``: figures at the terminal, as JSON and in the boards file, which plans use."""

import json
from pathlib import Path
from typing import Any

import pytest
from processes import RunningWorker, Workers, edgeseg, one_line
from scans import names, write_ct

from edgeseg.boards.boards_file import read_boards
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.output.terminal import RESEARCH_NOTE


def _entry(name: str, endpoint: str) -> str:
    return f'[[board]]  # {name}\nname = "{name}"\nendpoint = "{endpoint}"\n\n'


@pytest.fixture
def boards(tmp_path: Path, worker: RunningWorker) -> Path:
    file = tmp_path / "boards.toml"
    file.write_text(_entry("pi-[a]", worker.endpoint))
    return file


def test_figures_are_shown_and_kept_and_planned_with(
    workers: Workers, tiny_bundle: Path, boards: Path, tmp_path: Path
) -> None:
    boards.write_text(boards.read_text() + _entry("pi-b", workers.start().endpoint))
    before = boards.read_text()
    ran = edgeseg("profile", tiny_bundle, "--boards", boards, "--rounds", 2)
    assert (ran.code, ran.err) == (0, "")
    for words in ("pi-[a]", "pi-b", "piece_00", "up", "latency", f"wrote {boards}", RESEARCH_NOTE):
        assert words in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100
    assert set(before.splitlines()) <= set(boards.read_text().splitlines())
    planned = json.loads(edgeseg("plan", tiny_bundle, "--boards", boards, "--json").out)
    entries = {entry.name: entry for entry in read_boards(boards).board}
    pieces = Bundle(tiny_bundle).manifest.pieces
    assert planned["estimated"] is False
    for board in planned["boards"]:
        measured = entries[board["name"]].seconds(pieces)
        assert board["estimated"] is False
        assert board["pieces"] == {name: measured[name] for name in board["pieces"]}
    _segmented(tiny_bundle, boards, tmp_path)


def _segmented(bundle: Path, boards: Path, folder: Path) -> None:
    scan, mask = write_ct(folder / "ct.nii"), folder / "mask.nii"
    words = ("-o", mask, "--boards", boards, "--report", folder / "report.json")
    ran = edgeseg("segment", bundle, scan, *words)
    assert (ran.code, ran.err) == (0, "")
    assert "planned: " in ran.out
    assert "estimated" not in ran.out
    printed: dict[str, Any] = json.loads((folder / "report.json").read_text())
    assert printed["planned_from_estimates"] is False
    for board in printed["boards"]:
        assert set(board["planned"]) < set(board)
        assert board["planned"]["busy_seconds"] > 0
        assert board["planned"]["peak_memory_bytes"] <= board["memory_limit_bytes"]
    assert sum(board["busy_seconds"] for board in printed["boards"]) > 0


def test_another_bundle_knows_nothing_of_these_figures(
    tiny_bundle: Path, uncut_bundle: Path, boards: Path
) -> None:
    ran = edgeseg("profile", tiny_bundle, "--boards", boards, "--rounds", 1, "--json")
    assert (ran.code, ran.err) == (0, "")
    printed = json.loads(ran.out)
    assert printed["note"] == RESEARCH_NOTE
    (board,) = printed["boards"]
    assert list(board["piece_ms"]) == printed["pieces"]
    assert all(board[key] > 0 for key in ("up_bytes_per_second", "down_bytes_per_second"))
    ran = edgeseg("plan", uncut_bundle, "--boards", boards)
    assert "~ is estimated from FLOPs" in ran.out


def test_a_dead_board_is_one_line_and_changes_nothing(tiny_bundle: Path, boards: Path) -> None:
    boards.write_text(boards.read_text() + _entry("dead", "tcp://127.0.0.1:9"))
    before = boards.read_bytes()
    ran = edgeseg("profile", tiny_bundle, "--boards", boards)
    one_line(ran, 1, "dead: no worker answers at tcp://127.0.0.1:9")
    assert boards.read_bytes() == before
    assert names(boards.parent) == {"boards.toml"}


_KEY = "0123456789abcdef"


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("ping = 3", "unknown field `ping`"),
        ('up = "100Mb"', "'100Mb' is no rate of a link"),
        (f'piece_ms = {{{_KEY} = "12"}}', "Expected `float`"),
        (f"piece_ms = {{{_KEY} = -1}}", "pi-[a]: piece_ms must be"),
        ('[[board]]\nname = "pi-[a]"', "a name of its own"),
        ('[[board]]\nname = "nowhere"', "nowhere has no endpoint"),
    ],
)
def test_a_boards_file_of_no_sense_is_one_line(
    tiny_bundle: Path, boards: Path, line: str, printed: str
) -> None:
    boards.write_text(boards.read_text().rstrip() + f"\n{line}\n")
    before = boards.read_bytes()
    one_line(edgeseg("profile", tiny_bundle, "--boards", boards), 2, printed)
    assert boards.read_bytes() == before


def test_flags_of_no_sense_are_wrong_usage(tiny_bundle: Path, boards: Path) -> None:
    assert edgeseg("profile", tiny_bundle).code == 2
    assert edgeseg("profile", tiny_bundle, "--boards", boards, "--rounds", 0).code == 2
    ran = edgeseg("profile", tiny_bundle, "--boards", boards.with_name("none.toml"))
    one_line(ran, 2, "can't read the boards file")
