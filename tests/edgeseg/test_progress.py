"""The library tells its caller how far it is; only commands draw that."""

import ast
from collections.abc import Iterator
from pathlib import Path

import edgeseg as package
from edgeseg.output.terminal import progress
from edgeseg.progress import Progress, silent

_FOLDER = Path(package.__file__).parent
_DRAWING = {"progress", "working"}
_DRAW = {"commands", "output"}


def test_a_caller_that_gives_nothing_hears_nothing() -> None:
    for tell in (silent, progress):
        _count(tell, 3)
        _count(tell, None)


def _count(tell: Progress, total: float | None) -> None:
    with tell(total, "counting", unit="steps", estimate=False) as advance:
        advance()
        advance(2, note="more")


def test_only_commands_draw() -> None:
    drawing = [
        str(file.relative_to(_FOLDER))
        for file in sorted(_FOLDER.rglob("*.py"))
        if _DRAW.isdisjoint(file.relative_to(_FOLDER).parts) and _DRAWING & set(_imported(file))
    ]
    assert not drawing


def _imported(file: Path) -> Iterator[str]:
    """Yield the names that a module takes from the terminal."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "edgeseg.output.terminal":
            yield from (alias.name for alias in node.names)
