"""Flags from a file: where the command line is silent, and never against it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import Ran, edgeseg, one_line


def _file(folder: Path, text: str) -> Path:
    path = folder / "flags.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jsn = true", "jsn is no flag"),
        ("[infoo]\njson = true", "no command; did you mean 'info'?"),
        ("[info]\njsn = true", "[info] jsn is no flag; did you mean 'json'?"),
        ("[info]\njson = 1", "[info] json is 1; give true or false"),
        ("[info]\nconfig = 'other.toml'", "[info] config is no flag"),
        ("[worker]\nlisten = 'x'", "/etc/edgeseg/worker.toml"),
        ("[doctor]\nbundle = 'x'", "/etc/edgeseg/worker.toml"),
        ("[info", "is no TOML"),
        ("verbose = 'very'", "verbose is 'very'; give true or false"),
        ("log-format = 'jsn'", "did you mean 'json'?"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = _file(tmp_path, text)
    for words in (("--config", path, "info", "a"), ("info", "a", "--config", path)):
        one_line(edgeseg(*words), 2, str(path), said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("local = 'two'", "[segment] local: "),
        ("local = true", "[segment] local is True; give a text or a number"),
        ("local = 0", "[segment] local: "),
        ("board = ['a', 3, true]", "give a list of texts"),
        ("objective = 'latncy'", "did you mean 'latency'?"),
        ("patience = ['1s']", "patience is ['1s']"),
    ],
)
def test_a_value_of_the_wrong_kind(tmp_path: Path, text: str, said: str) -> None:
    path = _file(tmp_path, f"[segment]\n{text}\n")
    one_line(edgeseg("segment", "a", "b", "-o", "c", "--config", path), 2, str(path), said)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    near = _file(tmp_path, "")
    one_line(edgeseg("info", "a", "--config", tmp_path / "flag.toml"), 2, "no file", str(near))
    one_line(edgeseg("info", "a", "--config", tmp_path), 2, "can't read")


def test_flags_are_taken_and_the_command_line_wins(tmp_path: Path, tiny_bundle: Path) -> None:
    path = _file(tmp_path, "[info]\njson = true\n[segment]\npatience = 'soon'\n")
    assert edgeseg("info", tiny_bundle, "--config", path).out.startswith("{")
    assert edgeseg("--config", path, "info", tiny_bundle).out.startswith("{")
    assert not edgeseg("info", tiny_bundle).out.startswith("{")
    scan = tmp_path / "a.png"
    words = ("segment", tiny_bundle, scan, "-o", tmp_path / "b.png", "--config", path)
    scan.touch()
    assert "is no time" not in edgeseg(*words, "--patience", "1s").err


def test_the_file_of_the_user(tmp_path: Path, tiny_bundle: Path) -> None:
    def run(*words: object) -> Ran:
        command = [sys.executable, "-m", "edgeseg", *map(str, words)]
        environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
        ran = subprocess.run(command, capture_output=True, check=False, text=True, env=environment)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    assert not run("info", tiny_bundle).out.startswith("{")
    (tmp_path / "edgeseg").mkdir()
    (tmp_path / "edgeseg" / "config.toml").write_text("quiet = true\n[info]\njson = true\n")
    assert run("info", tiny_bundle).out.startswith("{")
    (tmp_path / "edgeseg" / "config.toml").write_text("quiet = true\n")
    assert not run("info", tiny_bundle).out
    for words in (("--verbose", "info", tiny_bundle), ("info", tiny_bundle, "--verbose")):
        assert "piece_00" in run(*words).out


def test_flags_that_exclude_those_of_the_command_line_are_left_out(tmp_path: Path) -> None:
    path = _file(tmp_path, "[segment]\nlocal = 2\nmemory-limit = '1GiB'\n")
    words = ("segment", "a", "b", "-o", "c", "--config", path, "--verbose")
    ran = edgeseg(*words)
    assert f"from {path}: local, memory_limit" in ran.err
    ran = edgeseg(*words, "--board", "tcp://127.0.0.1:1")
    assert "exclude" not in ran.err
    assert "memory_limit" not in ran.err
