"""The viewer is read from its package with its licence; without it one line says what to do."""

import base64
import gzip
import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
from processes import edgeseg, one_line
from scans import write_ct

from edgeseg.errors import UsageError
from edgeseg_runtime.page.viewer import read_viewer, require_viewer


def test_the_viewer_comes_with_its_licence() -> None:
    viewer = read_viewer()
    assert b"export{" in gzip.decompress(base64.b64decode(viewer.script))
    assert "BSD 2-Clause License" in viewer.licence
    assert "Copyright" in viewer.licence
    assert len(viewer.script) < 3_000_000


def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("edgeseg_runtime.page.viewer.distribution", none)
    with pytest.raises(UsageError, match=r"html needs .* pip install 'edgeseg\[html\]'"):
        require_viewer()


def test_a_page_that_cannot_be_written_is_refused_before_any_work(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    scan = write_ct(tmp_path / "ct.nii")
    page = tmp_path / "none" / "page.html"
    ran = edgeseg("segment", tiny_bundle, scan, "-o", tmp_path / "mask.nii", "--html", page)
    one_line(ran, 1, "can't write", "create its folder first")
    assert not (tmp_path / "mask.nii").exists()
