"""Only commands write to the terminal: libraries tell whatever their caller gave them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import edgeseg
import edgeseg_converters
import edgeseg_runtime

_WRITERS = {"console", "messages", "note", "note_table", "detail", "complain", "emit_json"}
_DRAWING = ("commands", "cli", "demo", "output")


def _modules() -> Iterator[Path]:
    for package in (edgeseg, edgeseg_converters, edgeseg_runtime):
        for root in package.__path__:
            yield from Path(root).rglob("*.py")


def _imported_writers(source: str) -> set[str]:
    return {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == "edgeseg.output.terminal"
        for alias in node.names
    } & _WRITERS


def test_only_commands_write_to_the_terminal() -> None:
    writing = {path for path in _modules() if _imported_writers(path.read_text())}
    assert writing, "the rule must see the commands that do"
    assert [path for path in writing if not set(path.parent.parts) & set(_DRAWING)] == []
