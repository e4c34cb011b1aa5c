"""Surface Dice from the package ``surface-distance``, from which the KiTS challenge takes it."""

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

with warnings.catch_warnings():
    # The package is of 2020: it calls SciPy and numpy by names of that time.
    warnings.simplefilter("ignore")
    _package: Any = pytest.importorskip("surface_distance")

Spacing = tuple[float, float, float]


def reference_surface_dice(
    truth: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing: Spacing, tolerance: float
) -> float:
    """Return surface Dice of two masks of which none is empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distances = _package.compute_surface_distances(truth, prediction, spacing)
    return float(_package.compute_surface_dice_at_tolerance(distances, tolerance))


def reference_areas(spacing: Spacing) -> list[float]:
    """Return the area of each neighbour code, whose bits the package numbers backwards."""
    areas = _package.lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
    return [float(areas[int(f"{code:08b}"[::-1], 2)]) for code in range(256)]
