"""Messages name a parameter in Python, and its flag at the command line."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import edgeseg, one_line

import edgeseg as package
from edgeseg.cli.fields import flag_spelling, spells_fields
from edgeseg.errors import UsageError, field_name, fields_spelled

_ROOT = Path(package.__file__).parents[1]
_PACKAGES = ("edgeseg", "converters/edgeseg_converters", "runtime/edgeseg_runtime")
_SPEAKS_OF_FLAGS = {"commands", "cli"}
_FLAG = re.compile(r"(?:^|\s)--[a-z]")
_COMMAND_TO_TYPE = re.compile(r"(?:edgeseg|dask) [a-z]+ [^;]*")
_STARTS_PROCESSES = {"demo.py", "sample.py"}
_DASK_WORKER = "--nthreads"


def test_convert_names_the_field_in_python_and_the_flag_at_the_command_line(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    converters = pytest.importorskip("edgeseg_converters", reason="the compiler is not installed")
    pytest.importorskip("tensorflow", reason="the compiler is not installed")
    model, output = tiny_bundle.parent / "tiny.keras", tmp_path / "x.edgeseg"
    with pytest.raises(UsageError, match=r"^ways is 1; give at least 2 tiles or branches$"):
        converters.convert(model, output, strategy="data", ways=1)
    with pytest.raises(UsageError, match=r"^spacing_mm is -1; give a number above 0$"):
        converters.convert(model, output, spacing_mm=-1)
    with pytest.raises(UsageError, match=r"^ways tells strategy adaptive nothing; leave it out"):
        converters.convert(model, output, ways=2)
    words = ("convert", model, "-o", output)
    one_line(edgeseg(*words, "--ways", 1), 2, "'--ways': Input should be greater than or equal")
    said = edgeseg(*words, "--ways", 2)
    one_line(said, 2, "edgeseg: --ways tells --strategy adaptive nothing; leave it out")
    said = edgeseg(*words, "--window", "nan,3")
    one_line(said, 2, "edgeseg: --window is nan,3; give two HU")


def test_a_field_is_spelled_as_the_command_knows_it() -> None:
    @spells_fields(spacing_mm="spacing")
    def command() -> None: ...

    parameters = [
        SimpleNamespace(name="spacing", opts=["--spacing"]),
        SimpleNamespace(name="output", opts=["-o", "--output"]),
        SimpleNamespace(name="as_json", opts=["--json"]),
        SimpleNamespace(name="model", opts=["model"]),
    ]
    spell = flag_spelling(command, parameters)
    fields = ("spacing_mm", "output", "as_json", "max_activations")
    assert [spell(field) for field in fields] == [
        "--spacing",
        "--output",
        "--json",
        "--max-activations",
    ]


def test_the_spelling_holds_for_its_block_alone() -> None:
    with fields_spelled(str.upper):
        assert field_name("ways") == "WAYS"
        with pytest.raises(UsageError), fields_spelled(str.title):
            raise UsageError(field_name("ways"))
        assert field_name("ways") == "WAYS"
    assert field_name("ways") == "ways"


def test_no_module_of_the_library_names_a_flag() -> None:
    """Only commands know flags; a whole command to type may stand in a message."""
    modules = [file for folder in _PACKAGES for file in sorted((_ROOT / folder).rglob("*.py"))]
    named = [
        f"{file.relative_to(_ROOT)}:{line}: {text}"
        for file in modules
        if _SPEAKS_OF_FLAGS.isdisjoint(file.parts) and file.name not in _STARTS_PROCESSES
        for line, text in _texts(file)
        if _FLAG.search(_COMMAND_TO_TYPE.sub("", text)) and _DASK_WORKER not in text
    ]
    assert not named


def _texts(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a module with their lines, without docstrings and the help of flags."""
    tree = ast.parse(file.read_text())
    silent = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "help")
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.lineno, node.value
