"""Volumes of any orientation are seen the same way, and masks return in the file's geometry."""

import gzip
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.errors import OutputError, UsageError, VolumeError
from edgeseg.imaging.nifti import AIR, NiftiScan, read_volume
from edgeseg.imaging.slices import SliceGeometry

_SHAPE = (4, 5, 6)  # right to left, anterior to posterior, inferior to superior
_SPACING = (0.7, 0.8, 2.5)
_ORIENTATIONS = [
    codes
    for axes in itertools.permutations(("RL", "AP", "IS"))
    for codes in itertools.product(*axes)
]
_DATA = os.environ.get("EDGESEG_DATA", "")
_KITS = sorted(Path(_DATA, "kits23_labels").glob("*.nii.gz")) if _DATA else []


def _voxels() -> NDArray[np.int16]:
    """Return a small asymmetric volume with axes (L, P, S)."""
    return np.arange(np.prod(_SHAPE), dtype=np.int16).reshape(_SHAPE) - 50


def _image(codes: tuple[str, ...], voxels: NDArray[Any] | None = None) -> Any:
    """Return the volume as an image stored with those axis codes."""
    affine = np.diag([-_SPACING[0], -_SPACING[1], _SPACING[2], 1.0])
    affine[:3, 3] = (30, 40, -500)
    image = nib.Nifti1Image(_voxels() if voxels is None else voxels, affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt(("L", "P", "S")), nib.orientations.axcodes2ornt(codes)
    )
    return image.as_reoriented(turn)


def _saved(image: Any, path: Path) -> Path:
    nib.save(image, path)
    return path


def _displayed() -> NDArray[np.int16]:
    return _voxels().transpose(2, 1, 0)


def _masks(volume: NiftiScan) -> list[NDArray[np.uint8]]:
    """Return masks that mark every voxel by its value."""
    return [(volume.slice(k) + 50).astype(np.uint8) for k in range(len(volume))]


@pytest.mark.parametrize("codes", _ORIENTATIONS, ids="".join)
def test_every_orientation_is_seen_the_same_way(codes: tuple[str, ...], tmp_path: Path) -> None:
    """All 48 ways to store a volume show the same slices, and masks go back as stored."""
    image = _image(codes)
    volume = read_volume(_saved(image, tmp_path / "ct.nii"))
    assert len(volume) == _SHAPE[2]
    assert volume.voxels.dtype == np.int16
    assert np.array_equal(volume.voxels, _displayed())
    assert volume.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert volume.geometry(0) == SliceGeometry(5, 4, *volume.spacing[1:])
    volume.write(tmp_path / "mask.nii.gz", _masks(volume))
    mask: Any = nib.load(tmp_path / "mask.nii.gz")
    assert mask.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(mask.dataobj), np.asarray(image.dataobj) + 50)
    assert np.array_equal(mask.affine, nib.load(tmp_path / "ct.nii").affine)


@pytest.mark.parametrize("codes", [("I", "P", "L"), ("R", "A", "S"), ("A", "S", "R")])
def test_indices_lead_back_to_the_file(codes: tuple[str, ...], tmp_path: Path) -> None:
    """``to_file`` maps (slice, row, column) to the stored voxel."""
    image = _image(codes)
    volume = read_volume(_saved(image, tmp_path / "ct.nii"))
    stored = np.asarray(image.dataobj)
    for place in [(0, 0, 0), (5, 4, 3), (2, 1, 3)]:
        there = volume.to_file @ (*place, 1)
        assert stored[tuple(there[:3].astype(int))] == volume.voxels[place]
    assert volume.name(1) == ("slice 4" if "I" in codes else "slice 1")


def test_an_oblique_volume_turns_to_the_nearest_axes(tmp_path: Path) -> None:
    """Twenty degrees of tilt change the affine, not the picture."""
    tilt = np.eye(4)
    angle = np.deg2rad(20)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    image = _image(("I", "P", "L"))
    oblique = nib.Nifti1Image(np.asarray(image.dataobj), tilt @ image.affine)
    volume = read_volume(_saved(oblique, tmp_path / "ct.nii"))
    assert np.array_equal(volume.voxels, _displayed())
    assert volume.spacing == pytest.approx((2.5, 0.8, 0.7))
    volume.write(tmp_path / "mask.nii", _masks(volume))
    assert np.array_equal(nib.load(tmp_path / "mask.nii").affine, nib.load(volume.path).affine)


@pytest.mark.parametrize(("qcode", "scode"), [(1, 0), (0, 2), (1, 4), (0, 0)])
def test_qform_and_sform_are_kept(qcode: int, scode: int, tmp_path: Path) -> None:
    """Both matrices, their codes and the units come back; a private extension does not."""
    image = _image(("R", "P", "I"))
    other = image.affine.copy()
    other[:3, 3] += 7
    image.set_qform(other, qcode)
    image.set_sform(image.affine, scode)
    image.header.set_xyzt_units("mm", "sec")
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a name"))
    path = _saved(image, tmp_path / "ct.nii")
    volume = read_volume(path)
    volume.write(tmp_path / "mask.nii", _masks(volume))
    before: Any = nib.load(path).header
    after: Any = nib.load(tmp_path / "mask.nii").header
    for name in ("qform_code", "sform_code", "xyzt_units", "pixdim", "dim"):
        assert np.array_equal(after[name], before[name]), name
    for name in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "srow_x", "srow_z"):
        assert np.array_equal(after[name], before[name]), name
    assert not after.extensions
    assert after.get_slope_inter() in {(1, 0), (None, None)}


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_one_frame_of_4d_gives_a_3d_mask(kind: Any, tmp_path: Path) -> None:
    """A fourth axis of one is put aside; NIfTI-2 stays NIfTI-2."""
    image = _image(("I", "P", "L"))
    frame = kind(np.asarray(image.dataobj)[..., np.newaxis], image.affine)
    volume = read_volume(_saved(frame, tmp_path / "ct.nii.gz"))
    assert np.array_equal(volume.voxels, _displayed())
    volume.write(tmp_path / "mask.nii.gz", _masks(volume))
    mask = nib.load(tmp_path / "mask.nii.gz")
    assert mask.shape == image.shape
    assert type(mask) is kind


@pytest.mark.parametrize(
    ("stored", "slope", "inter", "kept"),
    [
        (np.int16, 1, 0, np.int16),
        (np.uint16, 1, -1024, np.int16),
        (np.int32, 1, 0, np.int16),
        (np.int16, 0.5, 3, np.float32),
        (np.int16, 1, 0.5, np.float32),
        (np.float32, 1, 0, np.float32),
        (np.float64, 1, 0, np.float32),
    ],
)
def test_stored_values_become_hu(
    stored: type, slope: float, inter: float, kept: type, tmp_path: Path
) -> None:
    """The header's slope and intercept count; whole numbers stay small."""
    raw: NDArray[Any] = np.arange(120).reshape(4, 5, 6).astype(stored)
    image = nib.Nifti1Image(raw, np.diag([-1, -1, 1, 1]), dtype=stored)
    image.header.set_slope_inter(slope, inter)
    nib.save(image, tmp_path / "ct.nii")
    _set_scaling(tmp_path / "ct.nii", slope, inter)
    volume = read_volume(tmp_path / "ct.nii")
    assert volume.voxels.dtype == kept
    assert np.allclose(volume.voxels, (raw.astype(float) * slope + inter).transpose(2, 1, 0))


def _set_scaling(path: Path, slope: float, inter: float) -> None:
    """Write slope and intercept into a saved header, as nibabel computes its own."""
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(data)


def test_values_beyond_16_bit_saturate(tmp_path: Path) -> None:
    """A padding value of -2**31 is air, not something that wrapped round."""
    raw = np.full(_SHAPE, -(2**31), np.int32)
    raw[0, 0, 0] = 2**31 - 1
    volume = read_volume(_saved(_image(("L", "P", "S"), raw), tmp_path / "ct.nii"))
    assert volume.voxels.min() == -(2**15)
    assert volume.voxels.max() == 2**15 - 1


def test_single_voxels_that_are_no_numbers_become_air(tmp_path: Path) -> None:
    """NaN and infinity, counted in a warning."""
    raw = _voxels().astype(np.float64)
    raw[0, 0, 0], raw[0, 0, 1], raw[0, 0, 2] = np.nan, np.inf, 1e300
    volume = read_volume(_saved(_image(("I", "P", "L"), raw), tmp_path / "ct.nii"))
    assert volume.warning is not None
    assert volume.warning == "3 voxels are no numbers; read as air"
    assert volume.voxels[:3, 0, 0].tolist() == [AIR] * 3
    assert np.isfinite(volume.voxels).all()


def _write(path: Path, data: NDArray[Any], affine: NDArray[Any] | None = None) -> Path:
    return _saved(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)


def _two_dimensional(path: Path) -> None:
    _write(path, np.zeros((4, 5), np.int16))


def _coloured(path: Path) -> None:
    _write(path, np.zeros((4, 5, 6), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])))


def _moving(path: Path) -> None:
    _write(path, np.zeros((4, 5, 6, 2), np.int16))


def _empty(path: Path) -> None:
    _write(path, np.zeros((4, 0, 6), np.int16))


def _all_nan(path: Path) -> None:
    _write(path, np.full((4, 5, 6), np.nan, np.float32))


def _singular(path: Path) -> None:
    _write(path, np.zeros((4, 5, 6), np.int16))
    data = bytearray(path.read_bytes())
    data[280:328] = bytes(48)  # srow_x, srow_y, srow_z
    path.write_bytes(data)


def _truncated(path: Path) -> None:
    _write(path, np.zeros((40, 50, 6), np.int16))
    path.write_bytes(path.read_bytes()[:5000])


def _without_voxels(path: Path) -> None:
    _write(path, np.zeros((40, 50, 6), np.int16))
    path.write_bytes(path.read_bytes()[:352])


def _header_cut(path: Path) -> None:
    path.write_bytes(b"\x5c\x01\x00\x00" + bytes(96))


def _foreign(path: Path) -> None:
    path.write_text("no scan at all")


def _nothing(path: Path) -> None:
    path.touch()


def _immense(path: Path) -> None:
    _write(path, np.zeros((4, 5, 6), np.int16))
    data = bytearray(path.read_bytes())
    data[42:48] = np.array([32767] * 3, "<i2").tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_two_dimensional, "is 2-D; give a 3-D volume"),
        (_coloured, "holds colours"),
        (_moving, r"several frames: its shape is \(4, 5, 6, 2\)"),
        (_empty, "is empty"),
        (_all_nan, "120 of 120 voxels are no numbers"),
        (_singular, "has a singular affine"),
        (_truncated, "is truncated or damaged"),
        (_without_voxels, "is truncated or damaged"),
        (_header_cut, "is no NIfTI"),
        (_foreign, "is no NIfTI"),
        (_nothing, "is no NIfTI"),
        (_immense, "too large for this machine's memory|is truncated or damaged"),
        (lambda _path: None, "does not exist"),
    ],
)
def test_bad_files_are_refused_in_one_line(make: Any, message: str, tmp_path: Path) -> None:
    """Each says what is wrong; none ends in a library's traceback."""
    path = tmp_path / "ct.nii"
    make(path)
    with pytest.raises(VolumeError, match=message) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_a_cut_download_is_refused(share: float, tmp_path: Path) -> None:
    """Compressed files cut anywhere: the header, the voxels."""
    rng = np.random.default_rng(0)
    raw = rng.integers(-1000, 1000, (20, 20, 20)).astype(np.int16)
    path = _write(tmp_path / "ct.nii.gz", raw)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(VolumeError, match=r"truncated|no NIfTI"):
        read_volume(path)


def test_a_damaged_download_is_refused(tmp_path: Path) -> None:
    """Bytes changed within the compressed stream."""
    raw = np.random.default_rng(0).integers(-1000, 1000, (20, 20, 20)).astype(np.int16)
    path = _write(tmp_path / "ct.nii.gz", raw)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(VolumeError, match="truncated or damaged"):
        read_volume(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    """What nibabel could read besides NIfTI has no place for a mask."""
    nib.save(nib.MGHImage(np.zeros((4, 5, 6), np.float32), np.eye(4)), tmp_path / "ct.mgz")
    with pytest.raises(VolumeError, match="is no NIfTI"):
        read_volume(tmp_path / "ct.mgz")


def test_outputs_are_checked_early(tmp_path: Path) -> None:
    """Name, folder, and the scan itself."""
    volume = read_volume(_saved(_image(("R", "A", "S")), tmp_path / "ct.nii"))
    volume.check_output(tmp_path / "mask.nii.gz")
    with pytest.raises(UsageError, match=r"is no \.nii\.gz"):
        volume.check_output(tmp_path / "mask.png")
    with pytest.raises(UsageError, match="is the input"):
        volume.check_output(tmp_path / ".." / tmp_path.name / "ct.nii")
    with pytest.raises(OutputError, match="create its folder"):
        volume.check_output(tmp_path / "no" / "mask.nii")


_WRITES_WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
import numpy as np
from edgeseg.errors import OutputError
from edgeseg.imaging.nifti import read_volume
volume = read_volume(Path(sys.argv[1]))
noise = np.random.default_rng(0).integers(0, 255, volume.voxels.shape).astype(np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    volume.write(Path(sys.argv[2]), list(noise))
except OutputError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("name", ["mask.nii", "mask.nii.gz"])
def test_a_full_disk_leaves_no_mask(name: str, tmp_path: Path) -> None:
    """The error is one line, and the folder stays as it was."""
    scan = _write(tmp_path / "ct.nii.gz", np.zeros((40, 40, 40), np.int16))
    command = [sys.executable, "-c", _WRITES_WITHOUT_ROOM, str(scan), str(tmp_path / name)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stderr == (
        f"can't write {tmp_path / name}: file too large; "
        "raise the limit on file size or write elsewhere\n"
    )
    assert list(tmp_path.iterdir()) == [scan]


def test_the_same_mask_has_the_same_bytes(tmp_path: Path) -> None:
    """No time stamp and no temporary name in the compressed file."""
    volume = read_volume(_saved(_image(("R", "A", "S")), tmp_path / "ct.nii"))
    for name in ("a.nii.gz", "b.nii.gz"):
        volume.write(tmp_path / name, _masks(volume))
    first, second = ((tmp_path / name).read_bytes() for name in ("a.nii.gz", "b.nii.gz"))
    assert gzip.decompress(first) == gzip.decompress(second)
    assert first == second


@pytest.mark.skipif(not _KITS, reason="EDGESEG_DATA has no KiTS23 labels")
@pytest.mark.parametrize("path", _KITS, ids=lambda path: path.name)
def test_real_kits_geometry(path: Path, tmp_path: Path) -> None:
    """KiTS23 stores (slices, rows, columns), I,P,L; every voxel comes back where it was."""
    stored: Any = nib.load(path, keep_file_open=True)
    crop = stored.slicer[:, 100:400:2, 60:200]
    nib.save(crop, tmp_path / "ct.nii.gz")
    volume = read_volume(tmp_path / "ct.nii.gz")
    assert nib.aff2axcodes(crop.affine) == ("I", "P", "L")
    assert volume.voxels.shape == crop.shape
    values = np.asarray(crop.dataobj)
    assert np.array_equal(volume.voxels, values[::-1])
    zooms = crop.header.get_zooms()
    assert volume.spacing == pytest.approx([float(zoom) for zoom in zooms])
    volume.write(tmp_path / "mask.nii.gz", [image.astype(np.uint8) for image in volume.voxels])
    mask: Any = nib.load(tmp_path / "mask.nii.gz")
    assert np.array_equal(np.asarray(mask.dataobj), values)
    assert np.array_equal(mask.affine, crop.affine)
    assert mask.header["sform_code"] == crop.header["sform_code"]
    assert mask.header["qform_code"] == crop.header["qform_code"]


@pytest.mark.skipif(not _DATA, reason="EDGESEG_DATA is not set")
def test_the_sample_ct_is_seen_upright() -> None:
    """The spine lies behind: bone in the lower half of the picture, liver at its left."""
    volume = read_volume(Path(_DATA, "totalsegmentator", "example_ct.nii.gz"))
    assert volume.voxels.shape == (112, 101, 122)
    image = volume.slice(83)
    rows, _ = np.nonzero(image > 300)
    assert rows.mean() > 50
    soft = (image > 30) & (image < 150)
    assert soft[:, :61].sum() > soft[:, 61:].sum()
