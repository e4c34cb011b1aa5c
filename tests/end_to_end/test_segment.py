"""``edgeseg segment`` from a scan on disk to a mask on disk, with real workers over sockets."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from limits import limit_for_runs
from PIL import Image
from processes import RunningWorker, Workers, edgeseg, segment
from scans import names, write_ct

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.output.terminal import RESEARCH_NOTE


def _load(path: Path) -> Any:
    return nib.load(path)


def test_a_mask_has_the_geometry_of_its_scan(
    worker: RunningWorker, tiny_bundle: Path, tmp_path: Path
) -> None:
    scan = write_ct(tmp_path / "ct.nii.gz")
    ran = segment(tiny_bundle, scan, tmp_path / "mask.nii.gz", worker)
    assert (ran.code, ran.err) == (0, "")
    assert RESEARCH_NOTE in ran.out
    scan_image, mask_image = _load(scan), _load(tmp_path / "mask.nii.gz")
    assert mask_image.shape == scan_image.shape
    assert mask_image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(mask_image.affine, scan_image.affine)
    for form in ("get_qform", "get_sform"):
        (matrix, code), (expected, expected_code) = (
            getattr(image, form)(coded=True) for image in (mask_image, scan_image)
        )
        np.testing.assert_array_equal(matrix, expected)
        assert code == expected_code
    assert set(np.unique(mask_image.dataobj)) <= {0, 1, 2, 3}
    assert np.any(np.asarray(mask_image.dataobj))
    assert names(tmp_path) == {"ct.nii.gz", "mask.nii.gz"}


def test_values_that_are_no_hu_are_told_wherever_the_mask_goes(
    worker: RunningWorker, tiny_bundle: Path, tmp_path: Path
) -> None:
    """On the terminal, in the report and on the page."""
    image = _load(write_ct(tmp_path / "ct.nii"))
    raised = np.asarray(image.dataobj) + np.int16(1024)
    nib.save(nib.Nifti1Image(raised, image.affine), tmp_path / "raised.nii")
    report, page = tmp_path / "report.json", tmp_path / "page.html"
    ran = edgeseg(
        *("segment", tiny_bundle, tmp_path / "raised.nii", "-o", tmp_path / "mask.nii"),
        *("--board", worker.endpoint, "--report", report, "--html", page),
    )
    assert ran.code == 0
    assert "is this CT in HU?" in ran.complaint
    (note,) = json.loads(report.read_text())["scan_notes"]
    assert "they look like HU + 1024" in note
    assert "they look like HU + 1024" in page.read_text(encoding="utf-8")


def test_two_workers_under_a_limit_keep_to_it(
    workers: Workers, base_memory: int, tiny_bundle: Path, uncut_bundle: Path, tmp_path: Path
) -> None:
    """What fits on no board alone is cut, and gives the mask of the uncut model."""
    limit = limit_for_runs(Bundle(tiny_bundle).manifest, base_memory, 2)
    boards = [workers.start(limit=limit).endpoint for _ in range(2)]
    scan = write_ct(tmp_path / "ct.nii.gz", (64, 64, 40))
    report = tmp_path / "report.json"
    words = [word for board in boards for word in ("--board", board)]
    ran = edgeseg(
        "segment", tiny_bundle, scan, "-o", tmp_path / "cut.nii", *words, "--report", report
    )
    assert (ran.code, ran.err) == (0, "")
    printed = json.loads(report.read_text())
    assert printed["slices"] == 40
    assert printed["slices_per_second"] > 0
    assert printed["wire_bytes"] > 40 * 64 * 64
    assert len(printed["boards"]) == 2
    for board in printed["boards"]:
        assert board["memory_limit_bytes"] == limit
        assert base_memory // 2 < board["peak_memory_bytes"] <= limit
        assert board["pieces"]
    uncut = edgeseg("segment", uncut_bundle, scan, "-o", tmp_path / "uncut.nii", "--local", 1)
    assert uncut.code == 0, uncut
    np.testing.assert_array_equal(
        _load(tmp_path / "cut.nii").dataobj, _load(tmp_path / "uncut.nii").dataobj
    )


def test_a_boards_file_names_the_boards(
    worker: RunningWorker, tiny_bundle: Path, tmp_path: Path
) -> None:
    boards = tmp_path / "boards.toml"
    boards.write_text(f'[[board]]\nname = "pi"\nendpoint = "{worker.endpoint}"\n')
    scan, mask = write_ct(tmp_path / "ct.nii"), tmp_path / "mask.nii.gz"
    ran = edgeseg("segment", tiny_bundle, scan, "-o", mask, "--boards", boards, "--json")
    assert (ran.code, ran.err) == (0, "")
    printed = json.loads(ran.out)
    assert [board["name"] for board in printed["report"]["boards"]] == ["pi"]
    assert printed["report"]["note"] == printed["statistics"]["note"] == RESEARCH_NOTE
    assert mask.exists()


def test_local_workers_with_everything_written(tiny_bundle: Path, tmp_path: Path) -> None:
    scan = write_ct(tmp_path / "ct.nii.gz")
    outputs = {
        "--preview": tmp_path / "preview.png",
        "--statistics": tmp_path / "statistics.json",
        "--report": tmp_path / "report.json",
    }
    ran = edgeseg(
        *("segment", tiny_bundle, scan, "-o", tmp_path / "mask.nii.gz"),
        *("--local", 2, "--memory-limit", "300MiB"),
        *(word for pair in outputs.items() for word in pair),
    )
    assert (ran.code, ran.err) == (0, "")
    for path in outputs.values():
        assert path.stat().st_size > 0
        assert str(path) in ran.out
    boards = json.loads(outputs["--report"].read_text())["boards"]
    assert [board["memory_limit_bytes"] for board in boards] == [300 * 2**20] * 2


@pytest.mark.parametrize("shape", [(20, 30, 3), (64, 64, 1), (512, 400, 2), (1, 64, 2)])
def test_a_scan_of_any_size_comes_back_in_its_own(
    worker: RunningWorker, tiny_bundle: Path, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    scan = write_ct(tmp_path / "ct.nii.gz", shape)
    ran = segment(tiny_bundle, scan, tmp_path / "mask.nii.gz", worker)
    assert (ran.code, ran.err) == (0, "")
    assert _load(tmp_path / "mask.nii.gz").shape == shape


def test_pictures_in_pictures_out(worker: RunningWorker, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    for index, shape in enumerate([(64, 64), (40, 70), (512, 512)]):
        grey = np.random.default_rng(index).integers(0, 256, shape).astype(np.uint8)
        Image.fromarray(grey).save(folder / f"{index}.png")
    ran = segment(tiny_bundle, folder, tmp_path / "masks", worker)
    assert (ran.code, ran.err) == (0, "")
    assert names(tmp_path / "masks") == {"0.png", "1.png", "2.png"}
    single = segment(tiny_bundle, folder / "1.png", tmp_path / "one.png", worker)
    assert (single.code, single.err) == (0, "")
    with (
        Image.open(tmp_path / "one.png") as alone,
        Image.open(tmp_path / "masks" / "1.png") as same,
    ):
        assert alone.size == (70, 40)
        assert alone.mode == "L"
        np.testing.assert_array_equal(alone, same)


def test_real_ct_is_segmented(
    data: Path, worker: RunningWorker, tiny_bundle: Path, tmp_path: Path
) -> None:
    scan = data / "totalsegmentator" / "example_ct.nii.gz"
    ran = segment(tiny_bundle, scan, tmp_path / "mask.nii.gz", worker)
    assert (ran.code, ran.err) == (0, "")
    mask_image, scan_image = _load(tmp_path / "mask.nii.gz"), _load(scan)
    assert mask_image.shape == scan_image.shape
    np.testing.assert_array_equal(mask_image.affine, scan_image.affine)
