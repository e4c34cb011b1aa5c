"""A piece that crashes on a second board ends the run, and is named."""

from pathlib import Path

import pytest
from made_bundles import made_bundle
from made_pieces import crashing_piece, sound_piece
from processes import Workers, edgeseg
from scans import write_ct


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made_bundle(tmp_path / "bad.edgeseg", [sound_piece(), crashing_piece()]).path


@pytest.mark.parametrize("boards", [1, 2, 4])
def test_the_run_ends_with_the_piece_and_the_boards_go_on(
    workers: Workers, tmp_path: Path, bundle: Path, boards: int
) -> None:
    started = [workers.start(limit="200MiB") for _ in range(boards)]
    flags = [word for worker in started for word in ("--board", worker.endpoint)]
    scan = write_ct(tmp_path / "ct.nii.gz")
    ran = edgeseg("segment", bundle, scan, "-o", tmp_path / "mask.nii.gz", *flags)
    fate = "piece piece_01 ends its process with signal 11"
    assert ran.code == 1, ran
    last = ran.err.splitlines()[-1]
    if boards == 1:
        assert last == f"edgeseg: board-1: {fate}"
    else:
        assert f"{bundle} can't be run: {fate} on board-" in last
        assert "convert the model again" in last
    good = made_bundle(tmp_path / "good.edgeseg", [sound_piece()]).path
    ran = edgeseg("segment", good, scan, "-o", tmp_path / "mask.nii.gz", *flags)
    assert ran.code == 0, ran
