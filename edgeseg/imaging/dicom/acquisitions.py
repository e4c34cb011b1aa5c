"""The acquisitions that a series may hold, such as phases of contrast; one of them is chosen."""

from collections.abc import Sequence
from itertools import pairwise

from edgeseg.errors import UsageError, field_name
from edgeseg.imaging.dicom.plane import Plane


def of_acquisition(planes: Sequence[Plane], number: int | None) -> list[Plane]:
    """Return the slices of one acquisition, or all of them if none is chosen.

    Raises
    ------
    UsageError
        If the series has no such acquisition; it lists those that it has.
    """
    if number is None:
        return list(planes)
    chosen = [plane for plane in planes if plane.acquisition == number]
    if not chosen:
        has = (
            f"it has {_listed(planes)}" if _numbers(planes) else "its slices have no number of one"
        )
        raise UsageError(f"has no acquisition {number}; {has}")
    return chosen


def offer_of_acquisitions(planes: Sequence[Plane]) -> str | None:
    """Return what to do about slices of several acquisitions; None if they are of one."""
    if len(_numbers(planes)) < 2:
        return None
    return f"choose one with {field_name('acquisition')} ({_listed(planes)})"


def interleaved(planes: Sequence[Plane]) -> str | None:
    """Return a note on slices, in order, that alternate between acquisitions, as phases may.

    Acquisitions that lie behind each other, as those of a table that moves on, are one volume.
    """
    numbers = _numbers(planes)
    changes = sum(first.acquisition != then.acquisition for first, then in pairwise(planes))
    if len(numbers) < 2 or changes < 2 * len(numbers):
        return None
    return (
        f"slices alternate between acquisitions {_listed(planes)}: if they are phases, choose one "
        f"with {field_name('acquisition')}"
    )


def _numbers(planes: Sequence[Plane]) -> list[int]:
    return sorted({plane.acquisition for plane in planes if plane.acquisition is not None})


def _listed(planes: Sequence[Plane]) -> str:
    return " and ".join(map(str, _numbers(planes)))
