"""The command line: quick, and every mistake ends in one line and the right exit code."""

import json
import os
import platform
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from processes import edgeseg, edgeseg_process, one_line

import edgeseg as package
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.output.terminal import RESEARCH_NOTE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sgment",), "Did you mean 'segment'"),
        (("convert", "a", "-o", "b", "--strategy", "adaptve"), "did you mean 'adaptive'?"),
        (("info",), "Missing argument"),
        (("info", "a", "b"), "unexpected extra argument"),
        (("info", "--jsn", "a"), "--json"),
        (("worker", "--cores", "0"), "--cores"),
        (("worker", "--memory-limit", "lots"), "write it like 512MiB"),
        (("segment", "a", "b"), "--output"),
        (("segment", "a", "b"), "See edgeseg segment --help."),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], said: str) -> None:
    ran = edgeseg(*words)
    one_line(ran, 2, said)
    assert not ran.out


def test_an_error_is_one_line_and_debug_shows_where() -> None:
    one_line(edgeseg("info", "none.edgeseg"), 1, "does not exist; give a .edgeseg file")
    for words in (["--debug", "info", "none.edgeseg"], ["info", "none.edgeseg", "--debug"]):
        ran = edgeseg(*words)
        assert ran.code == 1
        assert "Traceback" in ran.err


def test_a_path_that_looks_like_markup_is_shown_as_it_is() -> None:
    one_line(edgeseg("info", "[bold]a[/red].edgeseg"), 1, "[bold]a[/red].edgeseg")


def test_what_would_steer_a_terminal_is_left_out() -> None:
    one_line(edgeseg("info", "a\x1b[2Jb.edgeseg"), 1, "a [2Jb.edgeseg does not exist")


def test_a_path_with_a_slip_is_suggested(tiny_bundle: Path) -> None:
    wrong, near = tiny_bundle.with_name("5.edgesg"), f"did you mean '{tiny_bundle}'?"
    one_line(edgeseg("info", wrong), 1, near)
    one_line(edgeseg("info", tiny_bundle.parent.with_name("tony0") / "x"), 1, "does not exist")


def test_version_names_what_masks_depend_on() -> None:
    said = dict(line.split(" ", 1) for line in edgeseg("--version").out.splitlines())
    assert said["edgeseg"] == package.__version__
    assert said["Python"] == platform.python_version()
    assert said["NumPy"] == version("numpy")
    assert {"libzmq", "platform"} <= set(said)


def test_help() -> None:
    for words in ([], ["--help"], ["-h"]):
        ran = edgeseg(*words)
        assert (ran.code, ran.err) == (0, "")
        assert RESEARCH_NOTE.split(",")[0] in ran.out
        for command in ("convert", "info", "inspect", "plan", "segment", "worker"):
            assert command in ran.out


def test_an_interrupt_ends_quietly() -> None:
    """Ctrl-C while a command works: no traceback, exit code 130."""
    script = (
        "import time, edgeseg.cli.main as cli\n"
        "class Waiting:\n"
        "    def main(self, *_, **__):\n"
        "        print('waiting', flush=True)\n"
        "        time.sleep(30)\n"
        "cli.application = Waiting\n"
        "cli.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.strip() in ("", "edgeseg: interrupted")


def test_info_says_what_a_bundle_holds(tiny_bundle: Path) -> None:
    ran = edgeseg("info", tiny_bundle)
    assert (ran.code, ran.err) == (0, "")
    for words in ("tiny", "64 x 64", "HU 0 to 255", "kidney", "strategy adaptive", "piece_00"):
        assert words in ran.out


def test_info_as_json_is_the_manifest(tiny_bundle: Path) -> None:
    said = json.loads(edgeseg("info", tiny_bundle, "--json").out)
    assert said["bundle_bytes"] == tiny_bundle.stat().st_size
    names = [piece.name for piece in Bundle(tiny_bundle).manifest.pieces]
    assert [piece["name"] for piece in said["pieces"]] == names
    assert said["preprocessing"]["window"] == [0.0, 255.0]


@pytest.mark.parametrize(
    ("words", "imported"),
    [
        (["--help"], "[]"),
        (["convert", "--help"], "[]"),
        (["info", "{bundle}"], "[]"),
        (["info", "{bundle}", "--json"], "[]"),
        (["--version"], "['zmq']"),
    ],
)
def test_what_is_instant_imports_nothing_heavy(
    tiny_bundle: Path, words: list[str], imported: str
) -> None:
    script = (
        "import sys, edgeseg.cli.main\n"
        "heavy = {'tensorflow', 'keras', 'ai_edge_litert', 'zmq', 'nibabel', 'PIL.Image'}\n"
        "heavy.add('scipy')\n"
        "try:\n"
        "    edgeseg.cli.main.main()\n"
        "finally:\n"
        "    print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    filled = [word.format(bundle=tiny_bundle) for word in words]
    run = subprocess.run(
        [sys.executable, "-c", script, *filled], capture_output=True, check=True, text=True
    )
    assert run.stderr == f"{imported}\n"


def test_a_worker_stops_at_an_interrupt() -> None:
    process = edgeseg_process("worker", "--listen", "tcp://127.0.0.1:*")
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_what_a_terminal_can_not_show_is_replaced(tiny_bundle: Path) -> None:
    def said(*words: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "edgeseg", *map(str, words)],
            capture_output=True,
            check=False,
            text=True,
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
        )

    shown = said("info", tiny_bundle)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "? 1 kidney" in shown.stdout
    assert "k?se.edgeseg does not exist" in said("info", "käse.edgeseg").stderr


@pytest.mark.parametrize("columns", ["40", "79", "300"])
def test_tables_lose_nothing_where_there_is_no_terminal(tiny_bundle: Path, columns: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "edgeseg", "info", str(tiny_bundle)],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | {"COLUMNS": columns},
    )
    (heading,) = (line for line in ran.stdout.splitlines() if line.startswith("piece "))
    assert heading.split()[-2:] == ["in", "out"]
