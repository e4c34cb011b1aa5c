"""Pages are filled in safely, written whole, and refused early where they can't be."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from edgeseg.errors import OutputError
from edgeseg.output.html import check_page, hue, render, write_page

_NO_JINJA = """
import sys
sys.modules["jinja2"] = None
from edgeseg.output.html import render
try:
    render("edgeseg.output", "base.html")
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_page_has_its_note_and_lets_nothing_in_from_outside() -> None:
    page = render("edgeseg.output", "base.html")
    assert "Research use only, not a medical device." in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_what_is_inserted_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "strange_pages"
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").touch()
    child = (
        '{% extends "base.html" %}{% block content %}{{ word }}{{ 0.0073 | time }}{% endblock %}'
    )
    (package / "templates" / "child.html").write_text(child)
    monkeypatch.syspath_prepend(tmp_path)
    page = render("strange_pages", "child.html", word="<b>")
    assert "&lt;b&gt;7.3 ms" in page
    with pytest.raises(UndefinedError):
        render("strange_pages", "child.html")


def test_pages_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", "edgeseg.output", "base.html")
    assert (tmp_path / "page.html").read_text().endswith("</html>")
    acts: tuple[Callable[[], None], ...] = (
        lambda: check_page(tmp_path / "none" / "page.html"),
        lambda: write_page(tmp_path / "none" / "page.html", "edgeseg.output", "base.html"),
    )
    for act in acts:
        with pytest.raises(OutputError, match="create its folder first"):
            act()


def test_hues_come_again() -> None:
    assert hue(0) == hue(8) != hue(1)


def test_without_the_extra_one_line_names_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _NO_JINJA], capture_output=True, check=True, text=True
    )
    assert ran.stdout.startswith("UsageError HTML pages need the extra 'html'")
    assert "pip install 'edgeseg[html]'" in ran.stdout
