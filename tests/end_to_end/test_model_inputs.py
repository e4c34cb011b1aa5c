"""Models with other inputs than one 8-bit slice find in a CT what Keras finds in its HU."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from processes import edgeseg, one_line

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.imaging.levels import to_input
from edgeseg.imaging.neighbours import SliceLevels
from edgeseg.imaging.nifti import read_volume
from edgeseg_converters.compare.bundle_runner import load_pieces
from edgeseg_converters.keras.quiet import import_keras, quiet

pytestmark = pytest.mark.tensorflow
_KERAS = import_keras()
_SIZE = 64
_BODY = 140
"""Pixels of what is drawn into the middle slice."""


def _pointwise(path: Path, kernel: list[float], bias: float) -> Path:
    """Save a sigmoid of one sum over the channels."""
    image = _KERAS.Input((_SIZE, _SIZE, len(kernel)))
    head = _KERAS.layers.Conv2D(1, 1, activation="sigmoid", name="head")
    model = _KERAS.Model(image, head(image))
    head.set_weights([np.reshape(kernel, (1, 1, len(kernel), 1)), np.array([bias])])
    with quiet():
        model.save(path)
    return path


def _write(path: Path, voxels: NDArray[np.int16], *, from_head: bool = False) -> Path:
    """Write slices (slices, rows, columns), from feet to head, as the file's third axis."""
    affine = np.diag([-0.8, -0.8, 2.5, 1.0])
    stored = np.moveaxis(voxels, 0, 2).swapaxes(0, 1)
    if from_head:
        stored, affine[2, 2] = stored[:, :, ::-1], -2.5
    image: Any = nib.Nifti1Image(np.ascontiguousarray(stored), affine)
    nib.save(image, path)
    return path


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT of five slices with a bright body in the third alone."""
    voxels = np.full((5, _SIZE, _SIZE), -1000, np.int16)
    voxels[2, 20:30, 20:34] = 255
    return _write(tmp_path_factory.mktemp("ct") / "ct.nii.gz", voxels)


def _info(bundle: Path) -> str:
    """What ``info`` prints, in one line."""
    return " ".join(edgeseg("info", bundle).out.split())


def _found(bundle: Path, scan: Path, output: Path, workers: int = 1) -> list[int]:
    """Segment on this machine; how many voxels of each slice of the file are found."""
    run = edgeseg("segment", bundle, scan, "-o", output, "--local", workers)
    assert run.code == 0, run.err
    image: Any = nib.load(output)
    counts: list[int] = np.asarray(image.dataobj).sum((0, 1)).tolist()
    return counts


def test_neighbouring_slices_are_asked_for_and_then_made(tmp_path: Path, body: Path) -> None:
    """Bright here and not in the slice towards the feet: in the third slice alone."""
    model = _pointwise(tmp_path / "slab.keras", [-60.0, 60.0, 0.0], -15.0)
    for words in ((), ("--dry-run",)):
        refused = edgeseg("convert", model, "-o", tmp_path / "x.edgeseg", *words)
        one_line(refused, 2, "--slices 3 for neighbouring slices, from feet to head")
    assert not (tmp_path / "x.edgeseg").exists()
    assert "--channels repeat" in edgeseg("inspect", model).err

    slab, flat = tmp_path / "slab.edgeseg", tmp_path / "flat.edgeseg"
    converted = edgeseg("convert", model, "-o", slab, "--slices", 3)
    assert converted.code == 0, converted.err
    assert "3 neighbouring slices from feet to head" in " ".join(converted.out.split())
    assert "3 neighbouring slices from feet to head" in _info(slab)
    assert _found(slab, body, tmp_path / "mask.nii.gz") == [0, 0, _BODY, 0, 0]

    assert edgeseg("convert", model, "-o", flat, "--channels", "repeat").code == 0
    assert "the same slice in 3 channels" in _info(flat)
    assert _found(flat, body, tmp_path / "flat.nii.gz") == [0] * 5


def test_what_a_model_of_neighbours_takes_pictures_for_is_said(tmp_path: Path) -> None:
    """A folder of them for slices in the order of their names, and a single one for all three."""
    model, bundle = _pointwise(tmp_path / "m.keras", [0.0, 9.0, 0.0], -4.0), tmp_path / "m.edgeseg"
    assert edgeseg("convert", model, "-o", bundle, "--slices", 3).code == 0
    folder = tmp_path / "slices"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.zeros((_SIZE, _SIZE), np.uint8)).save(folder / f"{number}.png")
    several = edgeseg("segment", bundle, folder, "-o", tmp_path / "masks", "--local", 1)
    assert several.code == 0, several.err
    assert "from feet to head in the order of their names" in " ".join(several.err.split())
    one = edgeseg("segment", bundle, folder / "0.png", "-o", tmp_path / "mask.png", "--local", 1)
    assert one.code == 0, one.err
    assert "there is one: it stands in for them" in " ".join(one.err.split())


def test_a_stack_stands_from_feet_to_head_however_the_file_does(tmp_path: Path) -> None:
    """A body in the two lower slices of four is found in the upper one of them by what is above."""
    voxels = np.full((4, _SIZE, _SIZE), -1000, np.int16)
    voxels[:2, 20:30, 20:34] = 255
    model = _pointwise(tmp_path / "m.keras", [0.0, 60.0, -60.0], -15.0)
    bundle = tmp_path / "m.edgeseg"
    assert edgeseg("convert", model, "-o", bundle, "--slices", 3).code == 0
    up = _write(tmp_path / "up.nii.gz", voxels)
    down = _write(tmp_path / "down.nii.gz", voxels, from_head=True)
    assert _found(bundle, up, tmp_path / "1.nii.gz") == [0, _BODY, 0, 0]
    assert _found(bundle, down, tmp_path / "2.nii.gz") == [0, 0, _BODY, 0]


def test_each_window_is_a_channel(tmp_path: Path) -> None:
    """Where the first window is half full and the second one empty: 100 to 200 HU."""
    voxels = np.random.default_rng(5).integers(-300, 700, (3, _SIZE, _SIZE)).astype(np.int16)
    model = _pointwise(tmp_path / "m.keras", [400.0, -90_000.0], -199.0)
    bundle = tmp_path / "m.edgeseg"
    words = ("--window", "0,200;200,600")
    assert edgeseg("convert", model, "-o", bundle, *words).code == 0
    assert "HU 0 to 200, 200 to 600 in 16 bit" in _info(bundle)
    expected = ((voxels >= 100) & (voxels <= 200)).sum((1, 2)).tolist()
    scan = _write(tmp_path / "ct.nii.gz", voxels)
    assert _found(bundle, scan, tmp_path / "mask.nii.gz") == expected
    Image.fromarray(np.zeros((_SIZE, _SIZE), np.uint8)).save(tmp_path / "slice.png")
    picture = edgeseg("segment", bundle, tmp_path / "slice.png", "-o", tmp_path / "mask.png")
    one_line(picture, 1, "windowed already, and this model reads several windows")


def test_a_threshold_within_a_wide_window_is_met_to_the_hu(tmp_path: Path) -> None:
    """8-bit levels of this window are 8 HU apart: 300 and 304 HU would be one."""
    voxels = np.random.default_rng(6).integers(290, 314, (2, _SIZE, _SIZE)).astype(np.int16)
    scan, expected = _write(tmp_path / "ct.nii.gz", voxels), (voxels >= 303).sum((1, 2)).tolist()
    window = ("--window", "-1000,1000")
    for name, words, scale, threshold in (
        ("range", (), 2000.0, 1302.5 / 2000),
        ("grey", ("--input-range", "0,255"), 2000.0 / 255, 1302.5 / 2000 * 255),
        ("score", ("--normalize", "101,76.9"), 76.9, (302.5 - 101) / 76.9),
    ):
        model = _pointwise(tmp_path / f"{name}.keras", [9 * scale], -9 * scale * threshold)
        bundle = tmp_path / f"{name}.edgeseg"
        converted = edgeseg("convert", model, "-o", bundle, *window, *words)
        assert converted.code == 0, converted.err
        assert "in 16 bit" in " ".join(converted.out.split())
        assert _found(bundle, scan, tmp_path / f"{name}.nii.gz") == expected


@pytest.mark.parametrize(
    ("words", "window", "mean", "deviation"),
    [
        (("--window", "-1000,1000"), (-1000, 1000), -1000.0, 2000.0),
        (("--window", "-200,300", "--normalize", "101,76.9"), (-200, 300), 101.0, 76.9),
        (("--window", "-160,240", "--input-range", "-1,1"), (-160, 240), 40.0, 200.0),
        ((), (0, 255), 0.0, 255.0),
    ],
    ids=["wide", "z-score", "signed", "plain"],
)
def test_pieces_predict_what_keras_does_of_the_hu(
    tmp_path: Path,
    words: tuple[str, ...],
    window: tuple[int, int],
    mean: float,
    deviation: float,
) -> None:
    layers = _KERAS.layers
    _KERAS.utils.set_random_seed(7)
    image = _KERAS.Input((_SIZE, _SIZE, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    model = _KERAS.Model(image, layers.Conv2D(2, 1, activation="sigmoid")(x))
    with quiet():
        model.save(tmp_path / "m.keras")
    bundle = tmp_path / "m.edgeseg"
    assert edgeseg("convert", tmp_path / "m.keras", "-o", bundle, *words).code == 0
    voxels = np.random.default_rng(8).integers(-1100, 1200, (2, _SIZE, _SIZE)).astype(np.int16)
    scan = read_volume(_write(tmp_path / "ct.nii.gz", voxels))
    opened = Bundle(bundle)
    how, pieces = opened.manifest.preprocessing, load_pieces(opened)
    slices = SliceLevels(scan, how)
    for index in range(len(scan)):
        hu = np.clip(scan.slice(index), *window).astype(np.float32)
        fed = ((hu - mean) / deviation).astype(np.float32)[np.newaxis, :, :, np.newaxis]
        difference = pieces(to_input(slices.of(index), how)) - model.predict(fed, verbose=0)
        assert np.abs(difference).max() <= 1e-5
