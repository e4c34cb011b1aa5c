"""Files of the repository that are pages of the site too: their links lead to where they are here.

A page that consists of an ``{include}`` shows such a file. What the file links to relative to
itself becomes a link to the page that shows the target, or else to the target itself.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
INCLUDE = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
ELSEWHERE = ("http://", "https://", "mailto:", "#")


def pages() -> dict[Path, str]:
    """Return which page shows which file: paths of files, and of pages below ``docs/``."""
    shown = {}
    for page in sorted(DOCS.rglob("*.md")):
        for target in INCLUDE.findall(page.read_text(encoding="utf-8")):
            shown[(page.parent / target).resolve()] = "/" + page.relative_to(DOCS).as_posix()
    return shown


def moved(text: str, source: Path) -> str:
    """Return the text of a file with links that are right wherever it is shown.

    Parameters
    ----------
    text
        Markdown.
    source
        The file that it stands in.
    """
    shown = pages()

    def lead(match: "re.Match[str]") -> str:
        target, mark, anchor = match[2].partition("#")
        if match[2].startswith(ELSEWHERE):
            return match[0]
        path = (source.parent / target).resolve()
        if path.is_relative_to(DOCS):
            place = "/" + path.relative_to(DOCS).as_posix()
        else:
            place = shown.get(path, "/../" + path.relative_to(ROOT).as_posix())
        return f"{match[1]}{place}{mark}{anchor}{match[3]}"

    return LINK.sub(lead, text)


def on_include(app: Sphinx, path: Path, _parent: str, content: list[str]) -> None:
    """Change the links of a file that is being included."""
    source = (Path(app.srcdir) / path).resolve()
    if source.suffix == ".md":
        content[0] = moved(content[0], source)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx when to call."""
    app.connect("include-read", on_include)
    return {"parallel_read_safe": True}
