"""The site is not built where a page is missing or a reference leads nowhere."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import ROOT

NEEDED = ("docs", "examples", "pyproject.toml", "README.md")
"""What is read when the site is built, beside the other files at the door."""
BROKEN = {
    "[a](nothing.md)": "'myst' cross-reference target not found: 'nothing.md'",
    "[a](security.md#nowhere)": "local id not found in doc 'security': 'nowhere'",
    "[a](../examples/nothing.sh)": "target not found: '../examples/nothing.sh'",
    "{py:func}`edgeseg_converters.nothing`": "py:func reference target not found",
    "{py:mod}`edgeseg.planning.nothing`": "py:mod reference target not found",
}


@pytest.mark.timeout(300)
def test_what_is_broken_is_told(tmp_path: Path) -> None:
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    for path in ROOT.glob("*.md"):
        shutil.copy(path, tmp_path)
    docs = tmp_path / "docs"
    with (docs / "limits.md").open("a") as page:
        page.write("\n\n".join(["", *BROKEN]))
    (docs / "alone.md").write_text("# A page in no table of contents\n")
    guide = tmp_path / "examples" / "boards" / "README.md"
    guide.write_text(guide.read_text().replace("../jetson/", "../gone/"))
    words = ("-b", "html", "--fresh-env", "-n", "-W", "--keep-going", "-q", docs, tmp_path / "site")
    command = [sys.executable, "-m", "sphinx", *map(str, words)]
    built = subprocess.run(command, capture_output=True, check=False, text=True)
    assert built.returncode == 1, built.stderr
    told = [*BROKEN.values(), "alone.md: WARNING: document isn't included", "/../examples/gone/"]
    for text in told:
        assert text in built.stderr, built.stderr
    assert built.stderr.count("WARNING: ") == len(told), built.stderr
