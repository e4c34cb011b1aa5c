"""The table of scan formats: what a row must say, and a format of another package."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outside_packages import install_package
from processes import edgeseg, one_line

from edgeseg.errors import EdgesegError
from edgeseg.imaging.formats import BUILT_IN, read_scan, scan_formats
from edgeseg.imaging.nifti import read_volume
from edgeseg.imaging.scan_format import ScanFormat

_MADE_UP = '''
"""A made-up format: an array of HU, and masks as arrays."""

from pathlib import Path

import numpy as np

from edgeseg.imaging.scan_format import ScanFormat
from edgeseg.imaging.slices import SliceGeometry


class ArrayScan:
    windowed, affine, warning, slice_mm = False, None, None, None
    to_file = np.eye(4)

    def __init__(self, path, progress):
        self.voxels = np.load(path)

    def __len__(self):
        return len(self.voxels)

    def slice(self, index):
        return self.voxels[index]

    def geometry(self, index):
        return SliceGeometry(*self.voxels.shape[1:])

    def name(self, index):
        return f"plane {index}"

    def check_output(self, output):
        pass

    def write(self, output, masks):
        with output.open("wb") as file:
            np.save(file, np.stack(masks))


ARRAYS = ScanFormat(
    name="Array", offer="an .array", read=ArrayScan, mask_ending=".array", volumes=(".array",)
)
'''


@pytest.fixture
def no_cache() -> Iterator[None]:
    scan_formats.cache_clear()
    yield
    scan_formats.cache_clear()


def _installed(folder: Path, patch: pytest.MonkeyPatch, source: str = _MADE_UP) -> None:
    entries = {"edgeseg.scan_formats": {"array": "made_up_scans:ARRAYS"}}
    patch.syspath_prepend(install_package(folder, "made_up_scans", source, entries))
    patch.setenv("PYTHONPATH", str(folder), prepend=":")


def test_a_format_of_another_package_is_segmented_at_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path, hounsfield: np.ndarray
) -> None:
    place = tmp_path / "package"
    place.mkdir()
    _installed(place, monkeypatch)
    with (tmp_path / "ct.array").open("wb") as file:
        np.save(file, hounsfield)
    output = tmp_path / "mask.array"
    ran = edgeseg("segment", tiny_bundle, tmp_path / "ct.array", "-o", output, "--local", 1)
    assert ran.code == 0, ran.err
    assert np.load(output).shape == hounsfield.shape
    assert np.load(output).dtype == np.uint8
    (tmp_path / "x.txt").touch()
    refused = edgeseg("segment", tiny_bundle, tmp_path / "x.txt", "-o", output)
    one_line(refused, 1, "give an .array, a NIfTI, 8-bit PNG slices, or DICOM")


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import missing_library", "'array' of the package made_up_scans can't be loaded"),
        ("ARRAYS = 3", "is no ScanFormat; mend or remove the package"),
        (_MADE_UP.replace('(".array",)', '(".nii",)'), "2 scan formats have '.nii'"),
        (_MADE_UP.replace('name="Array"', 'name="PNG"'), "2 scan formats have 'PNG'"),
        (_MADE_UP.replace('(".array",)', '("array",)'), "'array' of Array is no ending"),
        (_MADE_UP.replace("def write(", "def store("), "returns a scan without write; see"),
        (_MADE_UP.replace("def __len__(", "def length("), "returns a scan without __len__; see"),
    ],
)
def test_a_package_that_forgets_something_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    _installed(tmp_path, monkeypatch, source)
    monkeypatch.delitem(sys.modules, "made_up_scans", raising=False)
    with (tmp_path / "ct.array").open("wb") as file:
        np.save(file, np.zeros((1, 4, 4), np.int16))
    with pytest.raises(EdgesegError, match=re.escape(said)):
        read_scan(tmp_path / "ct.array")


@pytest.mark.parametrize("lacking", [{"name": ""}, {"offer": ""}, {"volumes": ()}])
def test_a_row_without_what_others_rely_on_is_refused(lacking: dict[str, Any]) -> None:
    row = {"name": "A", "offer": "an .a", "mask_ending": ".a", "volumes": (".a",)} | lacking
    with pytest.raises(ValueError, match="needs a name, an offer and an ending"):
        ScanFormat(read=lambda path, _: read_volume(path), **row)


def test_a_mask_is_called_as_its_scan_is_kept(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    endings = {
        row.name: (row.ending_for(tmp_path), row.ending_for(tmp_path / "1.png")) for row in BUILT_IN
    }
    assert endings == {
        "NIfTI": (".nii.gz", ".nii.gz"),
        "PNG": ("", ".png"),
        "DICOM": (".nii.gz", ".nii.gz"),
    }


def test_a_worker_never_looks_for_formats() -> None:
    code = (
        "import edgeseg_runtime.board.process, sys; print('edgeseg.imaging.formats' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
