"""What must work before anything else is worth looking at; it needs the base install alone."""

from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

import nibabel as nib
import numpy as np
from manifests import chain_manifest

import edgeseg
from edgeseg.boards.boards_file import Board
from edgeseg.bundle.bundle_file import Bundle, write_bundle
from edgeseg.imaging.formats import read_scan
from edgeseg.inference.engine import open_engine
from edgeseg.planning import plan, problem_of
from edgeseg.scoring.dice import dice


def test_the_version_is_the_packages() -> None:
    assert edgeseg.__version__ == version("edgeseg")


def test_a_bundle_is_written_and_read(tmp_path: Path) -> None:
    manifest = chain_manifest([1000, 1000])
    write_bundle(tmp_path / "x.edgeseg", manifest, dict.fromkeys(("piece_00", "piece_01"), b""))
    assert Bundle(tmp_path / "x.edgeseg").manifest == manifest


def test_a_piece_runs() -> None:
    with as_file(files("edgeseg_runtime.operations") / "probe.tflite") as path:
        engine = open_engine(path)
    (image,) = engine.inputs
    (output,) = engine.run([np.ones(image.shape, image.dtype)])
    np.testing.assert_allclose(output, 1, rtol=1e-5)


def test_pieces_find_their_boards() -> None:
    boards = [Board(name, 2**30, 2**20) for name in ("a", "b")]
    lanes = plan(problem_of(chain_manifest([1000, 1000]).pieces, boards), time_limit=0).lanes
    assert {board for lane in lanes for board in lane.boards.values()} <= {"a", "b"}


def test_a_scan_is_read_and_its_mask_written(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "ct.nii.gz")
    scan = read_scan(tmp_path / "ct.nii.gz")
    masks = [np.asarray(scan.slice(index) > 11, np.uint8) for index in range(len(scan))]
    scan.write(tmp_path / "mask.nii.gz", masks)
    written = np.asarray(nib.load(tmp_path / "mask.nii.gz").dataobj)
    assert dice(written > 0, voxels > 11) == 1
