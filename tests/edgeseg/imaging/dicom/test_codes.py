"""Labels have the codes that other programs know them by."""

import pytest

from edgeseg.imaging.dicom.codes import CYST, KIDNEY, NEOPLASM, meaning_of


@pytest.mark.parametrize(
    ("label", "value", "category"),
    [
        ("kidney", "64033007", "91723000"),
        ("Right Kidney", "64033007", "91723000"),
        ("tumor", "108369006", "49755003"),
        ("kidney_tumour", "108369006", "49755003"),
        ("renal cyst", "367643001", "49755003"),
        ("mass", "4147007", "49755003"),
        ("label 7", "85756007", "85756007"),
        ("tumorous_thing", "85756007", "85756007"),
    ],
)
def test_a_label_has_the_code_of_its_words(label: str, value: str, category: str) -> None:
    meaning = meaning_of(label)
    assert (meaning.type.value, meaning.category.value) == (value, category)
    assert {meaning.type.scheme_designator, meaning.category.scheme_designator} == {"SCT"}


def test_a_lesion_lies_where_the_other_labels_say() -> None:
    assert meaning_of("tumor", ("kidney", "tumor")).region == KIDNEY
    assert meaning_of("cyst", ("liver", "cyst")).region is None
    assert meaning_of("kidney", ("kidney", "tumor")).region is None
    assert meaning_of("renal cyst").region == KIDNEY
    assert {NEOPLASM.value, CYST.value} == {"108369006", "367643001"}
