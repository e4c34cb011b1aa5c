"""SNOMED CT codes of labels, for readers of a DICOM segmentation."""

import re
from dataclasses import dataclass
from typing import Final

from pydicom.sr.coding import Code

_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_TISSUE = Code("85756007", "SCT", "Tissue")
KIDNEY: Final = Code("64033007", "SCT", "Kidney")
NEOPLASM: Final = Code("108369006", "SCT", "Neoplasm")
CYST: Final = Code("367643001", "SCT", "Cyst")
_MASS = Code("4147007", "SCT", "Mass")

_LESIONS = {
    NEOPLASM: {"tumor", "tumors", "tumour", "tumours", "neoplasm", "cancer", "carcinoma"},
    CYST: {"cyst", "cysts"},
    _MASS: {"mass", "masses", "lesion", "lesions"},
}
_KIDNEYS = {"kidney", "kidneys", "renal"}


@dataclass(frozen=True)
class Meaning:
    """The SNOMED CT codes of a label.

    Attributes
    ----------
    category, type
        Kind of property, and the property.
    region
        The organ in which a lesion lies; None where the labels do not say.
    """

    category: Code
    type: Code
    region: Code | None = None


def meaning_of(label: str, other_labels: tuple[str, ...] = ()) -> Meaning:
    """Return the meaning of a label by the words in its name.

    Parameters
    ----------
    label
        Its name.
    other_labels
        Names of the model's other labels: a tumour beside a kidney lies in the kidney.
    """
    words = _words(label)
    renal = any(_words(name) & _KIDNEYS for name in (label, *other_labels))
    for lesion, names in _LESIONS.items():
        if words & names:
            return Meaning(_ABNORMAL, lesion, KIDNEY if renal else None)
    return Meaning(_STRUCTURE, KIDNEY) if words & _KIDNEYS else Meaning(_TISSUE, _TISSUE)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", name.lower()))
