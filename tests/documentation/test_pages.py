"""README, ``docs/`` and the files at a repository's door: sizes, links, what none may leave out."""

import pkgutil
import re
import shlex
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
import yaml
from markdown_pages import ENTRANCES, ROOT, Page, pages

import edgeseg
from edgeseg.boards.boards_file import read_boards

MOST_README_BYTES = 10_240
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
GROUPS = {"edgeseg.commands", "edgeseg.engines", "edgeseg.layer_kinds", "edgeseg.scan_formats"} | {
    "edgeseg.partition_strategies"
}
"""Entry points, which are called like modules."""
COMMANDS = sorted(entry.name for entry in entry_points(group="edgeseg.commands"))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= MOST_README_BYTES


@pytest.mark.parametrize("name", ENTRANCES)
def test_links_lead_somewhere(name: str) -> None:
    """Those of ``docs/`` are followed when the site is built."""
    for path, anchor in Page(ROOT / name).links:
        assert path.exists(), path
        if anchor:
            assert anchor in Page(path).anchors, (path, anchor)


@pytest.mark.parametrize(
    "page", [page for page in pages() if "CHANGELOG" not in str(page)], ids=str
)
def test_names_and_files_exist(page: Page) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.text, flags=re.DOTALL | re.MULTILINE)
    for name in re.findall(r"`(edgeseg(?:_\w+)?(?:\.\w+)+)`", prose):
        if name not in GROUPS:
            assert pkgutil.resolve_name(name) is not None
    for folder, path in re.findall(r"`(docs|examples|tests|runtime|edgeseg\w*)/([\w./-]+)`", prose):
        above = {"edgeseg_converters": "converters", "edgeseg_runtime": "runtime"}.get(folder, "")
        assert (ROOT / above / folder / path).exists(), path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_page(command: str) -> None:
    page = Page(ROOT / "docs" / "commands" / f"{command}.md")
    assert page.text.startswith(f"# edgeseg {command}\n")
    assert f"```{{command-options}} {command}\n" in page.text
    for said in ("**Writes**", "**Exit codes**"):
        assert said in page.text
    shown = [shlex.split(line) for line in page.text.splitlines() if "edgeseg " in line]
    assert any(f"edgeseg {command}" in " ".join(words) for words in shown)


def test_no_page_is_of_a_command_that_is_gone() -> None:
    named = {path.stem for path in (ROOT / "docs" / "commands").glob("*.md")}
    assert named == {*COMMANDS, "index"}


@pytest.mark.parametrize("page", [page for page in pages() if page.files], ids=str)
def test_boards_files_are_valid(page: Page, tmp_path: Path) -> None:
    for name, text in page.files.items():
        if name == "boards.toml":
            (tmp_path / name).write_text(text)
            assert [board.name for board in read_boards(tmp_path / name).board] == [
                "pi-a",
                "jetson",
            ]


def test_changes_are_ordered_by_kind() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for release in text.split("\n## ")[1:]:
        kinds = re.findall(r"^### (.*)$", release, re.MULTILINE)
        assert kinds
        assert kinds == [kind for kind in KINDS if kind in kinds]


def test_the_version_stands_in_one_place() -> None:
    assert version("edgeseg") == edgeseg.__version__
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in project
    assert edgeseg.__version__ not in project
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {edgeseg.__version__}" in changes


def test_forms_and_hooks_are_valid() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for hook in hooks["repos"][0]["hooks"]:
        program, *words = hook["entry"].split()
        assert program == ".venv/bin/ruff" or (program == "make" and words[-1] in targets)
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("[a-z]*.yml"):
        told = yaml.safe_load(form.read_text())
        assert form.name == "config.yml" or {"name", "description", "body"} <= told.keys()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["references"][0]["doi"] in (ROOT / "README.md").read_text()
