"""Bands cover every row once, and a manifest whose bands do not is refused."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifests import IMAGE, make_manifest, make_piece

from edgeseg.bundle.manifest import Bands, Manifest, Port, Strips
from edgeseg.bundle.manifest_checks import contradiction
from edgeseg.inference.banded import band_of

MASK = Port("mask", (1, 8, 8, 1))
HALVES = Strips(5, (0, 3))


@st.composite
def strips(draw: st.DrawFn) -> Strips:
    """Strips that follow one another, each of as many rows."""
    rows = draw(st.integers(1, 12))
    steps = draw(st.lists(st.integers(1, rows), min_size=1, max_size=6))
    return Strips(rows, tuple(np.cumsum([0, *steps]).tolist()))


@given(strips())
def test_every_row_counts_once_and_within_its_strip(found: Strips) -> None:
    height = found.starts[-1] + found.rows
    assert found.cover(height)
    kept = [row for start, stop in found.kept for row in range(start, stop)]
    assert kept == list(range(height))
    for start, (first, behind) in zip(found.starts, found.kept, strict=True):
        assert start <= first <= behind <= start + found.rows


@given(strips(), st.integers(-3, 3))
def test_other_rows_than_the_tensor_has_are_noticed(found: Strips, more: int) -> None:
    height = found.starts[-1] + found.rows
    assert found.cover(height + more) == (more == 0)


@pytest.mark.parametrize("starts", [(1, 3), (0, 0), (3, 0), (0, 6)])
def test_gaps_and_disorder_are_noticed(starts: tuple[int, ...]) -> None:
    assert not Strips(5, starts).cover(8)


def test_a_band_is_a_view_of_the_rows_that_it_reads() -> None:
    image = np.arange(8.0).reshape(1, 8, 1, 1)
    bands = Bands((HALVES,), (HALVES,))
    (lower,) = band_of(bands, 1, [image])
    assert lower.ravel().tolist() == [3, 4, 5, 6, 7]
    assert np.shares_memory(lower, image)


def manifest_with(bands: Bands, image: Port = IMAGE, mask: Port = MASK) -> Manifest:
    piece = msgspec.structs.replace(make_piece(0, [image], [mask]), bands=bands)
    return make_manifest([piece])


def test_bands_that_cover_all_rows_are_fine() -> None:
    manifest = manifest_with(Bands((HALVES,), (HALVES,)))
    assert contradiction(manifest) is None
    assert manifest.pieces[0].runs == 2


@pytest.mark.parametrize(
    "bands",
    [
        Bands((Strips(5, (0, 2)),), (HALVES,)),
        Bands((HALVES,), (Strips(4, (0, 5)),)),
        Bands((HALVES, HALVES), (HALVES,)),
        Bands((HALVES,), ()),
        Bands((Strips(4, (0, 2, 4)),), (HALVES,)),
    ],
)
def test_bands_that_do_not_fit_the_ports_are_refused(bands: Bands) -> None:
    assert contradiction(manifest_with(bands)) == "the bands of piece_00 do not cover its rows"


def test_a_tensor_without_rows_has_no_bands() -> None:
    said = contradiction(manifest_with(Bands((HALVES,), (HALVES,)), image=Port("image", (8,))))
    assert said == "the bands of piece_00 do not cover its rows"


@pytest.mark.parametrize(
    "raw",
    [{"rows": 0, "starts": [0, 1]}, {"rows": 1, "starts": [0]}, {"rows": 1, "starts": [-1, 0]}],
)
def test_strips_of_nothing_are_no_strips(raw: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, Strips)
