"""The sample is fetched when it is not there as it should be, and only then."""

import shutil
from pathlib import Path

import pytest

from edgeseg.demo import sample
from edgeseg.errors import EdgesegError


def test_a_series_that_is_there_is_not_fetched_again(
    dicom_series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sample, "PACKAGE", "no-such-package-of-edgeseg==0")
    kept = tmp_path / "edgeseg" / "sample" / dicom_series.name
    shutil.copytree(dicom_series, kept)
    assert sample.sample_series() == kept
    assert len(list(kept.iterdir())) == 20
    next(kept.iterdir()).write_bytes(b"something else")
    with pytest.raises(EdgesegError, match="pip could not fetch no-such-package"):
        sample.sample_series()
