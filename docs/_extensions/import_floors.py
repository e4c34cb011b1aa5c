"""``{import-floors} NAME``: which rooms may import which, as import-linter holds it."""

import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


class ImportFloors(SphinxDirective):
    """Insert the floors of one contract, or all contracts where none is named."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the floors as a literal block, one a line, the highest first."""
        floors = {rule["name"]: rule["layers"] for rule in contracts() if rule["type"] == "layers"}
        if not self.arguments:
            names = [nodes.paragraph(text=rule["name"]) for rule in contracts()]
            return [nodes.bullet_list("", *(nodes.list_item("", name) for name in names))]
        if self.arguments[0] not in floors:
            raise self.error(f"no contract {self.arguments[0]!r}; there are {', '.join(floors)}")
        text = "\n".join(floors[self.arguments[0]])
        return [nodes.literal_block(text, text, language="text")]


def contracts() -> list[dict[str, Any]]:
    """Return what import-linter is told in ``pyproject.toml``."""
    told = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = told["tool"]["importlinter"]["contracts"]
    return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("import-floors", ImportFloors)
    return {"parallel_read_safe": True}
