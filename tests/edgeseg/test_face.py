"""The names of ``edgeseg`` that are for users: they are there, and cost nothing until used."""

import subprocess
import sys
from pathlib import Path

import pytest

import edgeseg as face

_BOARDS = """
[[board]]
name = "pi"
endpoint = "tcp://127.0.0.1:7355"
memory = "1GiB"
cores = 4
"""


def test_every_name_is_there_and_is_listed() -> None:
    assert dir(face) == sorted(face.__all__)
    for name in face.__all__:
        assert getattr(face, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'edgeseg' has no attribute 'no_such_name'"):
        _ = face.no_such_name


def test_importing_it_imports_nothing_else() -> None:
    code = "import sys, edgeseg; print([m for m in sys.modules if m.startswith('edgeseg.')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['edgeseg.lazy', 'edgeseg.version']"


def test_a_bundle_is_planned_from_python(tiny_bundle: Path, tmp_path: Path) -> None:
    boards = tmp_path / "boards.toml"
    boards.write_text(_BOARDS)
    planned = face.plan_bundle(str(tiny_bundle), str(boards), time_limit=0)
    assert {board.name for board in planned.report.boards} == {"pi"}
    assert planned.report.model == planned.manifest.model_name == "tiny"
