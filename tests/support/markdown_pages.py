"""What README and ``docs/`` hold: blocks of code, commands, links, headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENTRANCES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
"""Pages that stand in the root of the repository."""


@dataclass(frozen=True)
class Page:
    """A Markdown file."""

    path: Path

    def __str__(self) -> str:
        """Return its name in the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """What it says."""
        return self.path.read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """Return its blocks of code in a language."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.DOTALL | re.MULTILINE)

    @property
    def commands(self) -> list[str]:
        """The lines of its ``console`` blocks, without prompt and trailing comment."""
        lines = (line for block in self.blocks("console") for line in block.splitlines())
        return [line.removeprefix("$ ").partition("   #")[0] for line in lines]

    @property
    def files(self) -> dict[str, str]:
        """TOML files that it shows, by the name in their first line."""
        named = (re.match(r"# (\S+\.toml)\n", block) for block in self.blocks("toml"))
        return {match[1]: match.string for match in named if match}

    @property
    def anchors(self) -> set[str]:
        """What links to its headings end with."""
        prose = re.sub(r"^```.*?^```$", "", self.text, flags=re.DOTALL | re.MULTILINE)
        titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

    @property
    def links(self) -> Iterator[tuple[Path, str]]:
        """Targets of its relative links: a path, and an anchor or nothing."""
        for target in re.findall(r"\]\(([^)\s]+)\)", self.text):
            if "://" not in target:
                path, _, anchor = target.partition("#")
                yield (self.path.parent / path if path else self.path), anchor


def pages() -> list[Page]:
    """Return all pages: README first, then ``docs/`` by name."""
    entrances = [ROOT / name for name in ENTRANCES]
    return [Page(path) for path in (*entrances, *sorted((ROOT / "docs").rglob("*.md")))]
