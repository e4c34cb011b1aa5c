"""nnU-Net training sets: labels by name, one CT channel a case."""

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from synthetic_cases import drawn_label, write_nnunet

from edgeseg.errors import VolumeError
from edgeseg.labelled import by_patient, read_labelled
from edgeseg.labelled.nnunet import kits_values


def _dataset(folder: Path, labels: Any) -> None:
    (folder / "dataset.json").write_text(json.dumps({"labels": labels, "numTraining": 1}))


def test_without_names_values_are_those_of_kits(tmp_path: Path) -> None:
    for name in ("kidney_7", "kidney_3"):
        write_nnunet(tmp_path / "Dataset220_Kidney", name, drawn_label())
    (tmp_path / "Dataset220_Kidney" / "imagesTr" / "._kidney_7_0000.nii.gz").write_text("hidden")
    slices = read_labelled(tmp_path / "Dataset220_Kidney")
    assert list(by_patient(slices)) == ["kidney_3", "kidney_7"]
    assert {(s.source, s.windowed) for s in slices} == {("Dataset220_Kidney", False)}
    assert slices[0].name == "kidney_3_z004"
    assert np.array_equal(
        [piece.read()[1] for piece in slices[:5]], np.asarray(drawn_label().dataobj)[::-1]
    )


def test_values_are_known_by_name(tmp_path: Path) -> None:
    renamed = drawn_label()
    values = np.array([0, 7, 5, 1], np.uint8)[np.asarray(renamed.dataobj)]
    write_nnunet(tmp_path, "a", nib.Nifti1Image(values, renamed.affine))
    _dataset(tmp_path, {"background": 0, "Cyst": 1, "Tumour": 5, "Kidney": 7})
    labels = [piece.read()[1] for piece in read_labelled(tmp_path)]
    assert np.array_equal(labels, np.asarray(renamed.dataobj)[::-1])


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        ({"background": 0, "kidney": 1, "tumor": 2}, {0: 0, 1: 1, 2: 2}),
        ({"0": "background", "1": "Kidney", "2": "Tumor"}, {0: 0, 1: 1, 2: 2}),
        (
            {"background": 0, "kidney": [1, 2, 3], "masses": [2, 3], "tumor": 2},
            {0: 0, 1: 1, 2: 2, 3: 3},
        ),
        ({"tumor": [9], "mass": [8, 9], "kidney": [7, 8, 9]}, {7: 1, 8: 3, 9: 2}),
        ({"kidney": [1, 2], "cyst": 2}, {1: 1, 2: 3}),
    ],
)
def test_the_smallest_region_tells_what_a_value_is(
    labels: dict[str, Any], values: dict[int, int]
) -> None:
    assert kits_values(labels) == values


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "liver": 1}, "the label 'liver' is unknown; known are background, kid"),
        ({"kidney": 1, "masses": 2}, "the label 'masses' is unknown"),
        ({"kidney": 1, "masses": 2, "tumor": 3}, "the label 'masses' is unknown"),
        ({"kidney": [1, 2, 3], "masses": [2, 3]}, "the label 'masses' is unknown"),
        ({"kidney": 256}, r"the values of label 'kidney' are not all in 0\.\.255"),
        ({"kidney": -1}, "the values of label 'kidney' are not all"),
        ({"one": "kidney"}, "the label 'one' has no number"),
        ({"kidney": 1.5}, r"Expected `.*`, got `float`"),
        (["kidney"], "Expected `object`"),
    ],
)
def test_other_labels_are_refused(labels: Any, message: str, tmp_path: Path) -> None:
    write_nnunet(tmp_path, "a", drawn_label())
    _dataset(tmp_path, labels)
    with pytest.raises(VolumeError, match=rf"dataset\.json: {message}.*; repair its labels"):
        read_labelled(tmp_path)


@pytest.mark.parametrize("text", [b"{", b"", b"{}", b'{"labels": {"\xff": 1}}'])
def test_a_damaged_dataset_json_is_refused(text: bytes, tmp_path: Path) -> None:
    write_nnunet(tmp_path, "a", drawn_label())
    (tmp_path / "dataset.json").write_bytes(text)
    with pytest.raises(VolumeError, match=r"dataset\.json: .*; repair its labels"):
        read_labelled(tmp_path)


@pytest.mark.parametrize("name", ["a_0001", "a", "0000"])
def test_one_ct_channel_is_needed(name: str, tmp_path: Path) -> None:
    image = write_nnunet(tmp_path, "a", drawn_label())
    shutil.copy(image, image.with_name(f"{name}.nii.gz"))
    with pytest.raises(VolumeError, match=rf"{name}\.nii\.gz is no .* one CT channel is needed"):
        read_labelled(tmp_path)


def test_an_image_without_its_label_is_refused(tmp_path: Path) -> None:
    write_nnunet(tmp_path, "a", drawn_label())
    shutil.rmtree(tmp_path / "labelsTr")
    with pytest.raises(VolumeError, match=r"a_0000\.nii\.gz has no label; .*a\.nii\.gz is missing"):
        read_labelled(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(VolumeError, match=r"imagesTr has no NAME_0000\.nii\.gz"):
        read_labelled(tmp_path)
