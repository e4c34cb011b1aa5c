"""Labelled CT slices, whatever layout their folder has: for training and for comparing models."""

from edgeseg.labelled.folder import read_labelled
from edgeseg.labelled.labels import UNKNOWN
from edgeseg.labelled.slices import (
    LabelledSlice,
    by_patient,
    refuse_shared_patients,
    split,
)

__all__ = [
    "UNKNOWN",
    "LabelledSlice",
    "by_patient",
    "read_labelled",
    "refuse_shared_patients",
    "split",
]
