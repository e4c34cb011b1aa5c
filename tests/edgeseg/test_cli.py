"""The command line: quick, and every mistake ends in one line and the right exit code."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import edgeseg, edgeseg_process, one_line

import edgeseg as package
from edgeseg.bundle import Bundle
from edgeseg.terminal import RESEARCH_NOTE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sgment",), "Did you mean 'segment'"),
        (("info",), "Missing argument"),
        (("info", "a", "b"), "unexpected extra argument"),
        (("info", "--jsn", "a"), "--json"),
        (("worker", "--cores", "0"), "--cores"),
        (("worker", "--memory-limit", "lots"), "write it like 512MiB"),
        (("segment", "a", "b"), "--output"),
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


def test_version_and_help() -> None:
    assert edgeseg("--version").out == f"edgeseg {package.__version__}\n"
    for words in ([], ["--help"], ["-h"]):
        ran = edgeseg(*words)
        assert (ran.code, ran.err) == (0, "")
        assert RESEARCH_NOTE.split(",")[0] in ran.out
        for command in ("convert", "info", "inspect", "plan", "segment", "worker"):
            assert command in ran.out


def test_an_interrupt_ends_quietly() -> None:
    """Ctrl-C while a command works: no traceback, exit code 130."""
    script = (
        "import sys, typer, edgeseg.cli as cli\n"
        "def wait():\n"
        "    import time\n"
        "    print('waiting', flush=True)\n"
        "    time.sleep(30)\n"
        "def application():\n"
        "    app = typer.Typer()\n"
        "    app.callback()(cli._global_options)\n"
        "    app.command('wait')(wait)\n"
        "    return app\n"
        "cli.application = application\n"
        "sys.argv = ['edgeseg', 'wait']\n"
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
    "words", [["--help"], ["info", "{bundle}"], ["info", "{bundle}", "--json"]]
)
def test_what_is_instant_imports_nothing_heavy(tiny_bundle: Path, words: list[str]) -> None:
    script = (
        "import sys, edgeseg.cli\n"
        "heavy = {'tensorflow', 'keras', 'ai_edge_litert', 'zmq', 'nibabel', 'PIL.Image'}\n"
        "heavy.add('scipy')\n"
        "try:\n"
        "    edgeseg.cli.main()\n"
        "finally:\n"
        "    print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    filled = [word.format(bundle=tiny_bundle) for word in words]
    run = subprocess.run(
        [sys.executable, "-c", script, *filled], capture_output=True, check=True, text=True
    )
    assert run.stderr == "[]\n"


def test_a_worker_stops_at_an_interrupt() -> None:
    process = edgeseg_process("worker", "--listen", "tcp://127.0.0.1:*")
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")
