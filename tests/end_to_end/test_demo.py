"""The demo, from the shipped model to a mask of the real sample CT."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from processes import edgeseg

from edgeseg.demo import sample
from edgeseg.demo.demo import kidney_dice
from edgeseg.errors import EdgesegError


@pytest.fixture
def cached_sample(data: Path, cache: Path) -> Path:
    """The sample CT where an earlier demo would have left it: nothing is fetched."""
    folder = cache / "edgeseg" / "sample"
    folder.mkdir(parents=True, exist_ok=True)
    for file in (data / "totalsegmentator").iterdir():
        shutil.copy(file, folder)
    return folder


@pytest.mark.timeout(600)
def test_finds_kidneys_within_memory(cached_sample: Path, tmp_path: Path) -> None:
    ran = edgeseg("demo", "-o", tmp_path / "demo", timeout=500)
    assert ran.code == 0, ran.err
    assert "over the 39 slices that show kidneys" in " ".join(ran.out.split())
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert len([board for board in report["boards"] if board["pieces"]]) == 2
    for board in report["boards"]:
        assert board["peak_memory_bytes"] <= board["memory_limit_bytes"]
    labels = cached_sample / "example_seg_fast_force_split.nii.gz"
    _, shown, _ = kidney_dice(tmp_path / "demo" / "mask.nii.gz", labels)
    assert shown > 0.75
    assert {"preview.png", "statistics.json"} <= {p.name for p in (tmp_path / "demo").iterdir()}


def test_damaged_archive_is_refused(tmp_path: Path) -> None:
    content = tmp_path / "example_ct.nii.gz"
    content.write_bytes(b"something else")
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(content, f"totalsegmentator-2.18.0/tests/reference_files/{content.name}")
    target = tmp_path / "out" / content.name
    target.parent.mkdir()
    with pytest.raises(EdgesegError, match="SHA-256"):
        sample._extract(archive, target.parent, {target.name: sample.CT_SHA256})
    assert not target.exists()
