"""A slice together with its neighbours, for models whose channels are neighbouring slices."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import numpy as np

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.imaging.levels import Levels, check_pictures
from edgeseg.imaging.scan import Slices
from edgeseg.imaging.slices import to_model

_KEPT_STACKS = 8
"""Boards in so many places of a scan are sent slices in turn without preparing any twice."""


def neighbours(index: int, count: int, slices: int) -> tuple[int, ...]:
    """Return which slices of a scan a model reads for one of them.

    Parameters
    ----------
    index
        Of the slice, from 0.
    count
        How many slices the scan has.
    slices
        How many the model reads, an odd number.

    Returns
    -------
    tuple of int
        From feet to head; the first and the last slice of the scan stand in for those beyond.
    """
    reach = slices // 2
    return tuple(min(max(index + step, 0), count - 1) for step in range(-reach, reach + 1))


def stacked(planes: Sequence[Levels]) -> Levels:
    """Return what travels of one slice (H, W), or of several as a stack (N, H, W)."""
    if len(planes) == 1:
        return planes[0]
    return cast(Levels, np.stack(planes))


def input_notes(scan: Slices, preprocessing: Preprocessing) -> tuple[str, ...]:
    """Return what should be known about a scan that a model reads so, a line each.

    Raises
    ------
    VolumeError
        If it consists of pictures, which show no second window, and the model reads several.
    """
    if scan.windowed:
        check_pictures(preprocessing)
    if preprocessing.planes == 1:
        return ()
    if len(scan) == 1:
        return ("the model reads neighbouring slices, and there is one: it stands in for them",)
    if scan.windowed:
        order = "the pictures are taken for slices from feet to head in the order of their names"
        return (f"the model reads neighbouring slices: {order}",)
    return ()


class SliceLevels:
    """The slices of a scan in the levels that a model's input is made of.

    A slice that was prepared lately is not prepared again as a neighbour of the next.

    Parameters
    ----------
    scan
        Its slices stand from feet to head; pictures of a folder in the order of their names.
    preprocessing
        That of the manifest.
    """

    def __init__(self, scan: Slices, preprocessing: Preprocessing) -> None:
        self._scan = scan
        self._preprocessing = preprocessing
        self._recent: OrderedDict[int, Levels] = OrderedDict()

    def of(self, index: int) -> Levels:
        """Return a slice (H, W), or a slice with its neighbours (N, H, W) where N are read.

        Raises
        ------
        VolumeError
            If a slice can't be read, or has been windowed where the model reads several windows.
        """
        if self._preprocessing.planes == 1:
            return self._prepared(index)
        return stacked([self._kept(number) for number in self.numbers(index)])

    def numbers(self, index: int) -> tuple[int, ...]:
        """Return the slices that the model reads for one, from feet to head."""
        return neighbours(index, len(self._scan), self._preprocessing.planes)

    def _kept(self, index: int) -> Levels:
        if index not in self._recent:
            self._recent[index] = self._prepared(index)
            while len(self._recent) > _KEPT_STACKS * self._preprocessing.planes:
                self._recent.popitem(last=False)
        self._recent.move_to_end(index)
        return self._recent[index]

    def _prepared(self, index: int) -> Levels:
        scan = self._scan
        image, geometry = scan.slice(index), scan.geometry(index)
        levels = to_model(image, geometry, self._preprocessing, windowed=scan.windowed)
        return cast(Levels, np.ascontiguousarray(levels))
