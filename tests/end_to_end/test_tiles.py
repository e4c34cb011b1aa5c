"""Scans larger than a model's field, in tiles: at their spacing, whole, whatever boards die."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from processes import Workers, edgeseg, one_line
from slice_steps import at_slice

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.imaging.formats import read_scan
from edgeseg_converters.compare.bundle_runner import segmenter_of
from edgeseg_converters.keras.quiet import import_keras, quiet
from edgeseg_runtime import Segmenter

_SIZE, _STEEP = 32, 60.0
_SHAPE = (4, 80, 100)
"""Slices, rows and columns of 1 mm, more than twice the field."""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of noise in blocks, whose pixels are those of the model."""
    blocks = np.random.default_rng(4).choice([20, 230], (_SHAPE[0], 20, 25))
    voxels = np.kron(blocks, np.ones((1, 4, 4))).astype(np.int16)
    path = tmp_path_factory.mktemp("tiles") / "ct.nii.gz"
    affine = np.array([[0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]], float)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def _model(folder: Path, kernel: int, padding: str) -> Path:
    """Save a model that finds what is brighter than half of the window."""
    keras = import_keras()
    weights = np.zeros((kernel, kernel, 1, 1))
    weights[kernel // 2, kernel // 2] = _STEEP
    image = keras.Input((_SIZE, _SIZE, 1))
    x = keras.layers.Conv2D(
        1,
        kernel,
        padding=padding,
        kernel_initializer=keras.initializers.Constant(weights),
        bias_initializer=keras.initializers.Constant(-_STEEP / 2),
    )(image)
    with quiet():
        keras.Model(image, keras.layers.Activation("sigmoid")(x)).save(folder / "m.keras")
    return folder / "m.keras"


def _bundle(folder: Path, kernel: int = 3, padding: str = "same", *words: str) -> Path:
    bundle = folder / "m.edgeseg"
    model = _model(folder, kernel, padding)
    flags = ("--spacing", "1", "--field", "tiles", *words)
    converted = edgeseg("convert", model, "-o", bundle, *flags)
    assert converted.code == 0, converted.err
    return bundle


def _voxels(path: Path) -> NDArray[Any]:
    return np.asanyarray(nib.load(path).dataobj)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kernel", "padding"), [(1, "same"), (5, "valid"), (8, "valid")])
def test_a_scan_is_segmented_at_its_spacing_to_its_edges(
    tmp_path: Path, scan: Path, kernel: int, padding: str
) -> None:
    bundle, mask = _bundle(tmp_path, kernel, padding), tmp_path / "mask.nii.gz"
    run = edgeseg("segment", bundle, scan, "-o", mask, "--local", "2")
    assert run.code == 0, run.err
    assert "each slice is read in" in run.err + run.out
    found, expected = _voxels(mask), (_voxels(scan) > 127).astype(np.uint8)
    if kernel % 2:
        np.testing.assert_array_equal(found, expected)
    else:
        # Its middle lies between two pixels, so a row and a column are beside what it makes.
        assert np.mean(found != expected) < 0.2


def test_whole_the_scan_is_shrunk(tmp_path: Path, scan: Path) -> None:
    bundle, mask = tmp_path / "m.edgeseg", tmp_path / "mask.nii.gz"
    model = _model(tmp_path, 1, "same")
    assert edgeseg("convert", model, "-o", bundle, "--spacing", "1").code == 0
    run = edgeseg("segment", bundle, scan, "-o", mask, "--local", "1")
    assert run.code == 0
    assert "80 x 100 mm are larger than the model's field: they are read at 3.1 mm" in run.err
    assert np.mean(_voxels(mask) != (_voxels(scan) > 127)) > 0.1


def test_a_lost_board_changes_no_bit(tmp_path: Path, scan: Path, workers: Workers) -> None:
    bundle = _bundle(tmp_path, 7, "same", "--tile-step", "0.25")
    boards = [workers.start(), workers.start()]
    opened, slices = Bundle(bundle), read_scan(scan)
    alone = segmenter_of(opened)
    expected = [
        alone.mask(slices.slice(index), slices.geometry(index), windowed=False)
        for index in range(len(slices))
    ]
    with Segmenter(bundle, [board.endpoint for board in boards]) as segmenter:
        segmentation = segmenter.segment(slices, progress=at_slice(1, boards[1].process.kill))
    np.testing.assert_array_equal(segmentation.mask, np.stack(expected))
    assert segmentation.report.tiles > 1
    assert len(segmentation.report.losses) == 1


def test_probabilities_of_tiles_lie_on_the_scan(tmp_path: Path, scan: Path) -> None:
    bundle, out = _bundle(tmp_path, 1), tmp_path / "p.nii.gz"
    words = ("--probabilities", out, "--report", tmp_path / "r.json", "--local", "1")
    run = edgeseg("segment", bundle, scan, "-o", tmp_path / "mask.nii.gz", *words)
    assert run.code == 0, run.err
    probabilities = np.squeeze(nib.load(out).get_fdata())  # type: ignore[attr-defined]
    np.testing.assert_array_equal(probabilities >= 0.5, _voxels(scan) > 127)


def test_a_bundle_says_its_tiles(tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, 3, "same", "--tile-step", "0.25")
    assert Bundle(bundle).manifest.format == 3
    assert "in tiles, 0.25 of a tile apart" in " ".join(edgeseg("info", bundle).out.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--field", "tiles"), "give --spacing"),
        (("--tile-step", "0.5"), "give --field tiles"),
        (("--field", "tiles", "--spacing", "1", "--tile-step", "1.5"), "leave gaps"),
        (("--field", "tiles", "--spacing", "1", "--slices", "3"), "do not go together yet"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    model = _model(tmp_path, 3, "same")
    one_line(edgeseg("convert", model, "-o", tmp_path / "m.edgeseg", *words), 2, said)


def test_tiles_of_another_resolution_are_refused(tmp_path: Path) -> None:
    keras = import_keras()
    image = keras.Input((_SIZE, _SIZE, 1))
    x = keras.layers.Conv2D(1, 1, activation="sigmoid")(keras.layers.MaxPooling2D()(image))
    with quiet():
        keras.Model(image, x).save(tmp_path / "m.keras")
    words = ("-o", tmp_path / "m.edgeseg", "--field", "tiles", "--spacing", "1", "--dry-run")
    one_line(edgeseg("convert", tmp_path / "m.keras", *words), 1, "made at 16 x 16")
