"""A bundle is measured whole, in a process of its own; and runs whole in this one."""

from pathlib import Path

import numpy as np
import pytest
import zoo
from numpy.typing import NDArray

from edgeseg.bundle.bundle_file import Bundle, write_bundle
from edgeseg.errors import BundleError, EdgesegError
from edgeseg_converters.compare import footprint
from edgeseg_converters.compare.bundle_runner import load_pieces
from edgeseg_converters.compare.footprint import measure_bundle


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "LEAST_SECONDS", 0.0)


@pytest.fixture
def image() -> NDArray[np.float32]:
    made: NDArray[np.float32] = zoo.random_images(1, 64)
    return made


def test_figures_are_of_a_sane_size(tiny_bundle: Path) -> None:
    bundle = Bundle(tiny_bundle)
    measured = measure_bundle(bundle)
    assert measured.bytes == tiny_bundle.stat().st_size
    assert 0.01 < measured.ms_per_slice < 5000
    least = max(piece.resident_memory_bytes for piece in bundle.manifest.pieces) // 2
    assert least < measured.peak_memory_bytes < 200 * 2**20


def test_pieces_chained_in_one_process_give_the_uncut_bits(
    tiny_bundle: Path, uncut_bundle: Path, image: NDArray[np.float32]
) -> None:
    pieces, uncut = load_pieces(Bundle(tiny_bundle)), load_pieces(Bundle(uncut_bundle))
    assert len(pieces.runners) > len(uncut.runners) == 1
    found = pieces(image)
    assert found.shape == (1, 64, 64, 3)
    assert found.std() > 0
    np.testing.assert_array_equal(found, uncut(image))
    np.testing.assert_array_equal(found, pieces(image))


def test_a_damaged_piece_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle(tiny_bundle)
    packed = {piece.name: bundle.packed_piece(piece) for piece in bundle.manifest.pieces}
    first = bundle.manifest.pieces[0]
    packed[first.name] = packed[first.name][:-4] + b"1234"
    write_bundle(tmp_path / "bad.edgeseg", bundle.manifest, packed)
    with pytest.raises(BundleError, match=r"bad\.edgeseg is damaged"):
        measure_bundle(Bundle(tmp_path / "bad.edgeseg"))


def test_what_does_not_run_is_one_line(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle(tiny_bundle)
    monkeypatch.setattr(bundle, "piece", lambda _: b"no model")
    with pytest.raises(EdgesegError, match=r"5.edgeseg does not run \(.*\); convert it again"):
        measure_bundle(bundle)
