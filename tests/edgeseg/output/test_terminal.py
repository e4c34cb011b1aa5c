"""What is said, how much of it, and in which form."""

import json
from collections.abc import Iterator

import pytest
from processes import edgeseg, one_line

from edgeseg.output.terminal import Voice, complain, console, detail, note, speak, voice


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    voice.__dict__.update(Voice().__dict__)
    console.quiet = False


def _say_all() -> None:
    detail("a detail")
    note("a note")
    complain("an error")


@pytest.mark.parametrize(
    ("verbose", "said"),
    [
        (None, ["a note", "an error"]),
        (True, ["a detail", "a note", "an error"]),
        (False, ["an error"]),
    ],
)
def test_more_and_less(
    verbose: bool | None, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if verbose is not None:
        speak(verbose=verbose)
    _say_all()
    console.print("a table")
    captured = capsys.readouterr()
    assert captured.err.splitlines() == said
    assert captured.out == ("" if verbose is False else "a table\n")


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    voice.form = "json"
    speak(verbose=True)
    _say_all()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("debug", "a detail"),
        ("info", "a note"),
        ("error", "an error"),
    ]
    assert all(line["time"].endswith("Z") for line in lines)


@pytest.mark.parametrize(
    "words",
    [
        ("--log-format", "json", "info", "none.edgeseg"),
        ("info", "none.edgeseg", "--log-format=json"),
        ("info", "--log-format", "json"),
        ("--log-format", "json", "nothing"),
        ("info", "--log-format", "json", "--nothing"),
        ("worker", "--listen", "nowhere:x", "--log-format", "json"),
    ],
)
def test_errors_are_json_wherever_the_flag_stands(words: tuple[str, ...]) -> None:
    ran = edgeseg(*words)
    said = json.loads(ran.complaint)
    assert ran.code in (1, 2)
    assert said["level"] == "error"
    assert not said["event"].startswith("edgeseg: ")


def test_quiet_leaves_errors() -> None:
    one_line(edgeseg("--quiet", "info", "none.edgeseg"), 1, "does not exist")
    one_line(edgeseg("info", "none.edgeseg", "--quiet"), 1, "does not exist")
