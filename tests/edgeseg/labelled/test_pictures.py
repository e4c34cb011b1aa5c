"""PNG slices with PNG labels: one data set or several, all of it checked when listed."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeseg.errors import VolumeError
from edgeseg.imaging.levels import Grey
from edgeseg.imaging.slices import SliceGeometry
from edgeseg.labelled import UNKNOWN, by_patient, read_labelled
from edgeseg.labelled.pictures import patient_of


def _write(folder: Path, name: str, seed: int = 0) -> tuple[Grey, Grey]:
    """Write an image and its label into the folders that there are; return both."""
    rng = np.random.default_rng(seed)
    image, label = (rng.integers(0, top, (6, 8), np.uint8) for top in (256, 4))
    (folder / "images").mkdir(parents=True, exist_ok=True)
    masks = folder / "masks"
    labels = masks if masks.is_dir() else folder / "labels"
    labels.mkdir(exist_ok=True)
    Image.fromarray(image).save(folder / "images" / f"{name}.png")
    Image.fromarray(label).save(labels / f"{name}.png")
    return image, label


def test_images_find_their_labels(tmp_path: Path) -> None:
    names = ("case_00001_z010", "case_00001_z009", "case_00002_z001")
    pairs = {name: _write(tmp_path / "hospital", name, seed) for seed, name in enumerate(names)}
    (tmp_path / "hospital" / "labels" / "._case_00002_z001.png").write_text("a system's own")
    slices = read_labelled(tmp_path / "hospital")
    assert [piece.name for piece in slices] == [names[1], names[0], names[2]]
    assert {piece.source for piece in slices} == {"hospital"}
    assert all(piece.windowed and piece.geometry == SliceGeometry(6, 8) for piece in slices)
    for piece in slices:
        assert all(map(np.array_equal, piece.read(), pairs[piece.name]))


def test_subfolders_are_joined_and_others_ignored(tmp_path: Path) -> None:
    (tmp_path / "b" / "masks").mkdir(parents=True)
    _write(tmp_path / "b", "10004_401_a1")
    _write(tmp_path / "a", "case_00001_z009")
    (tmp_path / "volumes").mkdir()
    (tmp_path / "volumes" / "ct.nii.gz").write_text("of no concern")
    slices = read_labelled(tmp_path)
    assert [(piece.source, piece.patient) for piece in slices] == [
        ("a", "case_00001"),
        ("b", "10004"),
    ]


@pytest.mark.parametrize(
    ("stem", "patient"),
    [
        ("case_00025_z060", "case_00025"),
        ("10004_401_a1", "10004"),
        ("anna_zoom", "anna"),
        ("lone", "lone"),
    ],
)
def test_a_name_tells_the_patient(stem: str, patient: str) -> None:
    assert patient_of(stem) == patient


def test_images_without_a_label_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(VolumeError, match="has images/ without labels; put them into labels/ or"):
        read_labelled(tmp_path)
    with pytest.raises(VolumeError, match="has images/ without labels"):
        read_labelled(tmp_path.parent)


def test_an_image_without_its_label_is_refused(tmp_path: Path) -> None:
    for name in ("a_1", "a_2"):
        _write(tmp_path, name)
    (tmp_path / "labels" / "a_2.png").unlink()
    with pytest.raises(VolumeError, match=r"images/a_2\.png has no label; .*labels/a_2\.png is"):
        read_labelled(tmp_path)


def test_empty_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(VolumeError, match=r"images has no \.png file"):
        read_labelled(tmp_path)


def test_a_label_of_another_size_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "a_1")
    Image.new("L", (6, 8)).save(tmp_path / "labels" / "a_1.png")
    with pytest.raises(VolumeError, match=r"a_1\.png is 6x8 but its label .*a_1\.png is 8x6"):
        read_labelled(tmp_path)


def test_an_unknown_label_value_is_met_when_listed(tmp_path: Path) -> None:
    _write(tmp_path, "a_1")
    Image.new("L", (8, 6), 255).save(tmp_path / "labels" / "a_1.png")
    with pytest.raises(VolumeError, match=r"labels/a_1\.png has the label value 255; known are 0"):
        read_labelled(tmp_path)


def test_a_data_set_with_an_index_may_mark_the_unknown(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("name,unknown_px\n")
    for name in ("case_00001_zmid", "case_00001_z002", "case_00003_z000"):
        _write(tmp_path, name)
    unknown = np.full((6, 8), UNKNOWN, np.uint8)
    Image.fromarray(unknown).save(tmp_path / "labels" / "case_00003_z000.png")
    unknown[3] = 2
    Image.fromarray(unknown).save(tmp_path / "labels" / "case_00001_zmid.png")
    slices = {piece.name: piece for piece in read_labelled(tmp_path)}
    assert sorted(slices) == ["case_00001_z002", "case_00001_zmid"]
    assert {piece.patient for piece in slices.values()} == {"case_00001"}
    assert np.array_equal(slices["case_00001_zmid"].read()[1], unknown)


def test_a_coloured_label_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "a_1")
    Image.new("RGB", (8, 6)).save(tmp_path / "labels" / "a_1.png")
    with pytest.raises(VolumeError, match=r"labels/a_1\.png is a picture of kind RGB"):
        read_labelled(tmp_path)


def test_a_cut_image_is_met_when_read(tmp_path: Path) -> None:
    _write(tmp_path, "a_1")
    image = tmp_path / "images" / "a_1.png"
    image.write_bytes(image.read_bytes()[:60])
    (piece,) = read_labelled(tmp_path)
    with pytest.raises(VolumeError, match="damaged"):
        piece.read()


def test_the_real_slices(data: Path) -> None:
    """Counts as the data sets' own indices have them."""
    slices = read_labelled(data)
    assert Counter(piece.source for piece in slices) == {
        "kits19_slices": 62,
        "curvas": 85,
        "kits23_slices": 860,
        "tcga_coad_slices": 65,
    }
    groups = by_patient(slices)
    assert {piece.source for piece in groups["case_00135"]} == {"kits19_slices", "kits23_slices"}
    assert len(groups) == 441
    index = (data / "kits19_slices" / "index.csv").read_text().splitlines()
    fields = dict(zip(index[0].split(","), index[1].split(","), strict=True))
    piece = next(piece for piece in slices if f"{piece.name}.png" == fields["name"])
    image, label = piece.read()
    assert image.shape == label.shape == (int(fields["rows"]), int(fields["cols"]))
    assert np.count_nonzero(label == 1) == int(fields["kidney_px"])
    assert np.count_nonzero(label == 2) == int(fields["tumor_px"])
