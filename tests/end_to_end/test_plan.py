"""``edgeseg plan``: tables, JSON and a picture from a bundle and a boards file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from processes import edgeseg, one_line

from edgeseg.output.terminal import RESEARCH_NOTE

_BOARDS = """
[coordinator]
up = "1Gbit"
down = "1Gbit"

[[board]]
name = "pi-[a]"
memory = "100MiB"
up = "100Mbit"

[[board]]
name = "pi-b"
memory = "95MiB"
latency_ms = 0.3

[[board]]
name = "crumb"
memory = "83MiB"
"""


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    file = tmp_path / "boards.toml"
    file.write_text(_BOARDS)
    return file


def test_tables_show_boards_strategies_and_the_bound(tiny_bundle: Path, boards: Path) -> None:
    ran = edgeseg("plan", tiny_bundle, "--boards", boards)
    assert (ran.code, ran.err) == (0, "")
    for words in (
        *("pi-[a]", "pi-b", "crumb is left out: piece_", "which has 83.0 MiB"),
        *("(this plan)", "slices/s", "limited by", "no placement is below", "gap"),
        *("estimated from FLOPs", RESEARCH_NOTE),
    ):
        assert words in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100


@pytest.mark.parametrize("objective", ["throughput", "latency", "memory"])
def test_json_holds_the_plan(tiny_bundle: Path, boards: Path, objective: str) -> None:
    words = ("--objective", objective, "--time-limit", 1, "--json")
    ran = edgeseg("plan", tiny_bundle, "--boards", boards, *words)
    assert (ran.code, ran.err) == (0, "")
    said: dict[str, Any] = json.loads(ran.out)
    assert said["objective"] == objective
    assert said["note"] == RESEARCH_NOTE
    assert said["estimated"] is True
    assert 0 <= said["gap"] < 1
    assert said["lower_bound"] <= said["cost"]
    for lane in said["lanes"]:
        assert list(lane["pieces"]) == [f"piece_{n:02d}" for n in range(len(lane["pieces"]))]
    for board in said["boards"]:
        assert board["memory_bytes"] <= board["memory_limit_bytes"]
        assert (board["left_out"] is None) == bool(board["pieces"])
    assert {row["name"] for row in said["strategies"]} <= {"whole", "contiguous", "folded", "mixed"}


@pytest.mark.parametrize("name", ["plan.png", "plan.svg"])
def test_the_plan_is_drawn(tiny_bundle: Path, boards: Path, tmp_path: Path, name: str) -> None:
    ran = edgeseg("plan", tiny_bundle, "--boards", boards, "--plot", tmp_path / name)
    assert (ran.code, ran.err) == (0, "")
    assert str(tmp_path / name) in ran.out
    if name.endswith(".png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 400
    else:
        assert "<svg" in (tmp_path / name).read_text()


def test_boards_too_small_for_all_of_it_are_planned_in_shifts(
    tiny_bundle: Path, boards: Path, tmp_path: Path
) -> None:
    boards.write_text('[[board]]\nname = "pi-[a]"\nmemory = "90MiB"\n')
    ran = edgeseg("plan", tiny_bundle, "--boards", boards, "--plot", tmp_path / "plan.png")
    assert (ran.code, ran.err) == (0, "")
    said = " ".join(ran.out.split())
    assert re.search(r"pi-\[a\] runs in shifts: \d groups, batches of \d+ slices, about", said)
    assert "times slower than boards that hold it whole" in said
    assert "shifts (this plan)" in said
    assert "the disk take of the time is an estimate" in said
    assert (tmp_path / "plan.png").exists()
    report = json.loads(edgeseg("plan", tiny_bundle, "--boards", boards, "--json").out)
    (lane,) = report["lanes"]
    assert [name for shift in lane["shifts"] for name in shift] == list(lane["pieces"])
    assert lane["slower"] > 1


def test_too_little_memory_is_one_line(tiny_bundle: Path, boards: Path) -> None:
    boards.write_text('[[board]]\nname = "crumb"\nmemory = "83MiB"\n')
    ran = edgeseg("plan", tiny_bundle, "--boards", boards)
    one_line(ran, 1, "needs", "on crumb, which has 83.0 MiB", "raise")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('memory = "95MiB"', "", "pi-b has no memory to plan with"),
        ("95MiB", "85 miles", "pi-b: '85 miles' is no byte count"),
        ("100Mbit", "100Mb", "pi-[a]: '100Mb' is no rate of a link"),
        ("1Gbit", "-1Gbit", "coordinator: '-1Gbit' is no rate"),
        ("0.3", "-0.3", "pi-b: latency_ms must be"),
        ("latency_ms = 0.3", "byte_ns = -1", "pi-b: byte_ns must be"),
        ("latency_ms", "ping", "unknown field `ping`"),
        ("pi-b", "crumb", "a name of its own"),
    ],
)
def test_a_boards_file_of_no_sense_is_one_line(
    tiny_bundle: Path, boards: Path, old: str, new: str, said: str
) -> None:
    boards.write_text(_BOARDS.replace(old, new))
    one_line(edgeseg("plan", tiny_bundle, "--boards", boards), 2, said)


def test_flags_of_no_sense_are_wrong_usage(tiny_bundle: Path, boards: Path, tmp_path: Path) -> None:
    for words in (
        ("--objective", "speed"),
        ("--time-limit", "-1"),
        ("--plot", tmp_path / "plan.pdf"),
    ):
        assert edgeseg("plan", tiny_bundle, "--boards", boards, *words).code == 2
    assert edgeseg("plan", tiny_bundle).code == 2


def test_segment_wants_to_know_where_a_worker_listens(
    tiny_bundle: Path, boards: Path, tmp_path: Path
) -> None:
    scan = tmp_path / "ct.png"
    Image.new("L", (64, 64), 100).save(scan)
    ran = edgeseg("segment", tiny_bundle, scan, "-o", tmp_path / "m.png", "--boards", boards)
    one_line(ran, 2, "pi-[a] has no endpoint")
