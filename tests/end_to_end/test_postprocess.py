"""Post-processing from the flag of convert to the mask: stated, shown, applied, overridden."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from processes import edgeseg
from scipy import ndimage

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.rules import KeepLargest

B = 2
"""The value of the label b."""

ENDS = ("first_slice", "last_slice")

RULES = """
[[rule]]
rule = "keep-largest"
labels = ["b"]
bodies = 1
"""


@pytest.fixture(scope="module")
def bundle(tiny_folder: Path) -> Path:
    """The tiny U-Net, of whose bodies the largest is kept."""
    (tiny_folder / "one.toml").write_text(RULES)
    target = tiny_folder / "one.edgeseg"
    words = ("--labels", "a,b,c", "--postprocess", tiny_folder / "one.toml", "--max-partitions", 2)
    assert edgeseg("convert", tiny_folder / "tiny.keras", "-o", target, *words).code == 0
    return target


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(5).integers(-100, 400, (64, 64, 6), dtype=np.int16)
    noise[:, :2] = -1000
    path = tmp_path_factory.mktemp("scan") / "ct.nii.gz"
    nib.save(nib.Nifti1Image(noise, np.diag([-2.0, -2.0, 5.0, 1.0])), path)
    return path


def bodies_in(mask: Path) -> int:
    region = np.asarray(nib.load(mask).dataobj) == B
    joined = ndimage.generate_binary_structure(3, 1)
    joined[:, :, 1] = True
    return int(ndimage.label(region, joined)[1])


def test_the_manifest_states_it_and_info_shows_it(bundle: Path) -> None:
    assert Bundle(bundle).manifest.rules == (KeepLargest(("b",), 1),)
    shown = edgeseg("info", bundle)
    assert "keep-largest (labels b; bodies 1)" in " ".join(shown.out.split())


def test_it_is_applied_and_said_and_can_be_left_out(
    bundle: Path, scan: Path, tmp_path: Path
) -> None:
    counts = {}
    for name, words in {"kept": (), "all": ("--postprocess", "none")}.items():
        mask, figures = tmp_path / f"{name}.nii.gz", tmp_path / f"{name}.json"
        ran = edgeseg(
            *("segment", bundle, scan, "-o", mask, "--local", 1, "--statistics", figures),
            *("--html", tmp_path / f"{name}.html", *words),
        )
        assert ran.code == 0, ran.err
        counts[name] = bodies_in(mask), json.loads(figures.read_text())["postprocess"]["rules"]
    assert counts["kept"][0] == 1 < counts["all"][0]
    (outcome,) = counts["kept"][1]
    assert outcome["bodies"] == counts["all"][0] == outcome["removed_bodies"] + 1
    assert outcome["removed_ml"] > 0
    assert counts["all"][1] == []
    pages = [(tmp_path / f"{name}.html").read_text() for name in counts]
    assert ["keep-largest of b" in page for page in pages] == [True, False]
    assert all('id="bodies"' in page for page in pages)


def test_a_removed_body_is_where_the_file_counts_its_slices(bundle: Path, tmp_path: Path) -> None:
    """Of the same voxels, stored from feet to head and from head to feet."""
    noise = np.random.default_rng(5).integers(-100, 400, (64, 64, 6), dtype=np.int16)
    noise[:, :2] = -1000
    places = []
    for name, voxels, step in (("up", noise, 5.0), ("down", noise[:, :, ::-1], -5.0)):
        path, figures = tmp_path / f"{name}.nii", tmp_path / f"{name}.json"
        nib.save(nib.Nifti1Image(voxels, np.diag([-2.0, -2.0, step, 1.0])), path)
        words = ("-o", tmp_path / f"{name}-mask.nii", "--local", 1, "--statistics", figures)
        assert edgeseg("segment", bundle, path, *words).code == 0
        (outcome,) = json.loads(figures.read_text())["postprocess"]["rules"]
        largest = outcome["largest_removed"]
        places.append([int(largest[end].removeprefix("slice ")) for end in ENDS])
    assert places[1] == [5 - number for number in places[0]]


def test_probabilities_decide_the_mask_and_survive_a_stop(
    bundle: Path, scan: Path, tmp_path: Path
) -> None:
    """What is written, thresholded as the manifest says, is the mask without rules."""
    mask, file = tmp_path / "m.nii.gz", tmp_path / "p.nii.gz"
    words = ("--local", 1, "--postprocess", "none", "--probabilities", file)
    ran = edgeseg("segment", bundle, scan, "-o", mask, *words)
    assert (ran.code, ran.err) == (0, "")
    image = nib.load(file)
    labels = np.asarray(nib.load(mask).dataobj)
    assert image.shape == (*labels.shape, 3)
    assert image.get_data_dtype() == np.uint8
    assert np.array_equal(image.affine, nib.load(scan).affine)
    assert b"probabilities: a, b, c" in image.header["descrip"].item()
    stored = np.asarray(image.dataobj.get_unscaled())
    assert np.asarray(image.dataobj).max() == pytest.approx(stored.max() / 255)
    decided = np.zeros(labels.shape, np.uint8)
    for channel, value in enumerate(Bundle(bundle).manifest.decoding.channels):
        decided[stored[..., channel] >= 128] = value
    assert np.array_equal(decided, labels)


def test_smoothing_needs_no_more_than_its_rule(bundle: Path, scan: Path, tmp_path: Path) -> None:
    """Along slices of 5 mm with 10 mm: hardly anything of noise stays, and that is told."""
    rules = tmp_path / "smooth.toml"
    rules.write_text('[[rule]]\nrule = "smooth"\nsigma_mm = 10\n')
    figures = tmp_path / "f.json"
    masks = {}
    for name, words in {"plain": "none", "smooth": rules}.items():
        masks[name] = tmp_path / f"{name}.nii.gz"
        ran = edgeseg(
            *("segment", bundle, scan, "-o", masks[name], "--local", 1),
            *("--postprocess", words, "--statistics", figures),
        )
        assert ran.code == 0, ran.err
    (outcome,) = json.loads(figures.read_text())["postprocess"]["rules"]
    assert outcome["rule"] == "smooth"
    assert "smooth: " in ran.out
    plain, smooth = (np.asarray(nib.load(path).dataobj) for path in masks.values())
    voxel_ml = 2 * 2 * 5 / 1000
    assert outcome["removed_ml"] == pytest.approx(((plain > 0) & (smooth == 0)).sum() * voxel_ml)
    assert outcome["added_ml"] == pytest.approx(((plain == 0) & (smooth > 0)).sum() * voxel_ml)
    changes = [(a != b).sum() for a, b in zip(smooth.T, smooth.T[1:], strict=False)]
    assert sum(changes) < sum((a != b).sum() for a, b in zip(plain.T, plain.T[1:], strict=False))


def test_probabilities_of_pictures_are_refused_before_any_work(
    bundle: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    words = ("-o", tmp_path / "m.png", "--probabilities", tmp_path / "p.nii.gz")
    ran = edgeseg("segment", bundle, tmp_path / "a.png", *words)
    assert ran.code == 2
    assert "--probabilities is for volumes" in ran.err
    assert not (tmp_path / "m.png").exists()


def test_rules_of_other_labels_are_refused_before_any_work(
    tiny_folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "x.edgeseg"
    words = ("--labels", "a,b,c", "--postprocess", "kidney")
    ran = edgeseg("convert", tiny_folder / "tiny.keras", "-o", target, *words)
    assert ran.code == 2
    assert "names the label 'kidney'; the model has a, b, c" in ran.err
    assert not target.exists()
