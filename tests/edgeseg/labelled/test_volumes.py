"""Slices of volumes: the same however they are stored, cut lazily, few volumes kept."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_cases import drawn_label, imaging, write_case

from edgeseg.errors import VolumeError
from edgeseg.labelled import LabelledSlice, read_labelled
from edgeseg.labelled.labels import KITS_VALUES
from edgeseg.labelled.volumes import Case, CaseVoxels, RecentCases, slices_of

_AXES = st.permutations([("R", "L"), ("A", "P"), ("I", "S")])


def _turned(image: Any, codes: tuple[str, ...]) -> Any:
    """Store the same volume along other axes."""
    stored = nib.orientations.io_orientation(image.affine)
    wanted = nib.orientations.axcodes2ornt(codes)
    return image.as_reoriented(nib.orientations.ornt_transform(stored, wanted))


def _case(folder: Path, name: str = "a", seed: int = 0) -> Case:
    label = drawn_label()
    nib.save(imaging(label, seed), folder / f"{name}_ct.nii.gz")
    nib.save(label, folder / f"{name}.nii.gz")
    return Case(name, "drawn", folder / f"{name}_ct.nii.gz", folder / f"{name}.nii.gz", KITS_VALUES)


@settings(max_examples=48, deadline=None)
@given(axes=_AXES, sides=st.tuples(*[st.integers(0, 1)] * 3), seed=st.integers(0, 3))
def test_slices_are_the_same_however_a_case_is_stored(
    axes: list[tuple[str, str]],
    sides: tuple[int, int, int],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    codes = tuple(axis[side] for axis, side in zip(axes, sides, strict=True))
    case = _case(tmp_path_factory.mktemp("cases"), seed=seed)
    expected = slices_of([case])
    image, label = imaging(drawn_label(), seed), drawn_label()
    turned = replace(
        case, image=case.image.with_name("t_ct.nii"), label=case.image.with_name("t.nii")
    )
    nib.save(_turned(image, codes), turned.image)
    nib.save(_turned(label, codes), turned.label)
    found = slices_of([turned])
    # The drawn case is stored from head to feet, rows and columns as displayed.
    shown = np.asarray(image.dataobj)[::-1], np.asarray(label.dataobj)[::-1]
    for index, (one, other) in enumerate(zip(expected, found, strict=True)):
        assert (other.geometry.row_mm, other.geometry.col_mm) == pytest.approx((0.7, 0.8))
        assert (other.geometry.rows, other.geometry.cols) == other.read()[0].shape
        for first, second, truth in zip(one.read(), other.read(), shown, strict=True):
            assert np.array_equal(first, second)
            assert np.array_equal(first, truth[index])


def test_slices_are_numbered_as_the_file_counts(tmp_path: Path) -> None:
    case = _case(tmp_path)
    assert [piece.name for piece in slices_of([case])] == [f"a_z00{k}" for k in (4, 3, 2, 1, 0)]
    for path in (case.image, case.label):
        nib.save(_turned(nib.load(path), ("R", "A", "S")), path.with_suffix(""))
    turned = replace(case, image=case.image.with_suffix(""), label=case.label.with_suffix(""))
    assert [piece.name for piece in slices_of([turned])] == [f"a_z00{k}" for k in range(5)]


def test_listing_reads_no_voxel(tmp_path: Path) -> None:
    """A file cut behind its header is listed, and refused when a slice is read."""
    case = _case(tmp_path)
    case.image.write_bytes(case.image.read_bytes()[:2000])
    slices = slices_of([case])
    assert len(slices) == 5
    with pytest.raises(VolumeError, match=r"a_ct\.nii\.gz is truncated or damaged"):
        slices[0].read()


def test_an_unknown_label_value_is_met_by_the_first_slice(tmp_path: Path) -> None:
    case = replace(_case(tmp_path), values={0: 0, 1: 1, 2: 2})
    with pytest.raises(VolumeError, match=r"a\.nii\.gz has the label value 3; known are 0, 1, 2;"):
        slices_of([case])[-1].read()


def test_a_float_label_counts(tmp_path: Path) -> None:
    case = _case(tmp_path)
    stored: Any = nib.load(case.label)
    expected = [piece.read()[1] for piece in slices_of([case])]
    nib.save(nib.Nifti1Image(np.asarray(stored.dataobj, np.float64), stored.affine), case.label)
    found = [piece.read()[1] for piece in slices_of([case])]
    assert all(label.dtype == np.uint8 for label in found)
    assert np.array_equal(found, expected)


def _resized(label: Any) -> Any:
    return nib.Nifti1Image(np.asarray(label.dataobj)[:-1], label.affine)


def _moved(label: Any) -> Any:
    affine = label.affine.copy()
    affine[0, 3] += 0.5
    return nib.Nifti1Image(np.asarray(label.dataobj), affine)


def _stretched(label: Any) -> Any:
    """Agree at the first voxel, and nowhere else."""
    return nib.Nifti1Image(np.asarray(label.dataobj), label.affine @ np.diag([1, 1, 1.01, 1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_resized, "it has 4 slices, 20 rows, 28 columns and not 5 slices, 20 rows, 28 columns"),
        (_moved, "its corners lie up to 0.5 mm elsewhere"),
        (_stretched, "its spacing is 2.5 x 0.7 x 0.808 mm and not 2.5 x 0.7 x 0.8 mm"),
    ],
)
def test_a_label_of_another_grid_is_refused(
    change: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    case = _case(tmp_path)
    nib.save(change(drawn_label()), case.label)
    words = rf"a\.nii\.gz does not lie on the grid of its image .*a_ct\.nii\.gz: {message}; give"
    with pytest.raises(VolumeError, match=words):
        slices_of([case])


def test_a_label_may_be_stored_along_other_axes(tmp_path: Path) -> None:
    case = _case(tmp_path)
    expected = [piece.read()[1] for piece in slices_of([case])]
    nib.save(_turned(drawn_label(), ("R", "S", "A")), case.label)
    assert np.array_equal([piece.read()[1] for piece in slices_of([case])], expected)


def test_an_affine_that_was_rounded_is_the_same_place(tmp_path: Path) -> None:
    case, label = _case(tmp_path), drawn_label()
    nib.save(nib.Nifti1Image(np.asarray(label.dataobj), label.affine + 1e-4), case.label)
    assert len(slices_of([case])) == 5


def test_what_is_no_nifti_is_refused(tmp_path: Path) -> None:
    case = _case(tmp_path)
    case.image.write_text("no scan")
    with pytest.raises(VolumeError, match=r"a_ct\.nii\.gz is no NIfTI"):
        slices_of([case])


def test_few_cases_are_kept(tmp_path: Path) -> None:
    """The bound is one of bytes; the case read last stays even if it is larger."""
    cases = [_case(tmp_path, name, seed) for seed, name in enumerate("abc")]
    size = 5 * 20 * 28 * 3
    recent = RecentCases(2 * size)
    first = recent.get(cases[0])
    assert first.nbytes == size
    second = recent.get(cases[1])
    assert recent.get(cases[0]) is first
    recent.get(cases[2])
    assert recent.get(cases[0]) is first
    assert recent.get(cases[1]) is not second
    small = RecentCases(1)
    assert small.get(cases[0]) is small.get(cases[0])
    alone = small.get(cases[1])
    assert small.get(cases[1]) is alone


def test_threads_read_a_case_once(tmp_path: Path) -> None:
    """The case is large enough for the others to come while the first still reads."""
    case, recent = _case(tmp_path), RecentCases(1)
    large = drawn_label((40, 200, 200))
    nib.save(imaging(large), case.image)
    nib.save(large, case.label)
    together = Barrier(8)

    def get(_: int) -> CaseVoxels:
        together.wait()
        return recent.get(case)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(get, range(8)))
    assert all(voxels is found[0] for voxels in found)


def test_a_kept_slice_keeps_no_volume(tmp_path: Path) -> None:
    for array in slices_of([_case(tmp_path)])[0].read():
        assert array.base is None


def _counts(slices: tuple[LabelledSlice, ...]) -> list[int]:
    labels = np.stack([piece.read()[1] for piece in slices])
    return [int(count) for count in np.bincount(labels.ravel(), minlength=4)]


def test_semi_synthetic_organs_have_their_hu(tmp_path: Path) -> None:
    """What is drawn is where the label says, so that a network can learn from it."""
    write_case(tmp_path, "case_00001", drawn_label())
    slices = read_labelled(tmp_path)
    assert min(_counts(slices)) > 0
    pixels = [np.stack([part.ravel() for part in s.read()]) for s in slices]
    hu, label = np.concatenate(pixels, axis=1)
    means = [hu[label == value].mean() for value in (1, 2, 3)]
    assert means == pytest.approx([180, 90, 10], abs=4)
