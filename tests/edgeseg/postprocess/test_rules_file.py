"""Rules from presets and TOML files, and what is refused."""

from pathlib import Path

import pytest

from edgeseg.bundle.manifest import Label
from edgeseg.bundle.rules import JoinedTo, KeepLargest
from edgeseg.errors import UsageError
from edgeseg.postprocess.rules_file import PRESETS, read_rules

LABELS = tuple(
    Label(value, name, "#000000") for value, name in enumerate(("kidney", "tumor", "cyst"), start=1)
)


def rules_of(folder: Path, text: str) -> object:
    path = folder / "rules.toml"
    path.write_text(text)
    return read_rules(str(path), LABELS)


def test_none_is_no_rule() -> None:
    assert read_rules("none", LABELS) == ()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_read(name: str) -> None:
    assert any(isinstance(rule, KeepLargest) for rule in read_rules(name, LABELS))


def test_a_file_is_read_in_its_order(tmp_path: Path) -> None:
    text = """
    [[rule]]
    rule = "joined-to"
    labels = ["tumor"]
    others = ["kidney"]
    within_mm = 2
    [[rule]]
    rule = "keep-largest"
    labels = ["kidney"]
    bodies = 2
    """
    expected = (JoinedTo(("tumor",), ("kidney",), 2.0), KeepLargest(("kidney",), 2))
    assert rules_of(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[rule]]\nrule = "erode"', "rules are bridge"),
        ('[[rule]]\nrule = "least-volume"\nlabels = ["tumor"]\nvolume_ml = -1', ">= 0.0"),
        (
            '[[rule]]\nrule = "least-volume"\nlabels = ["tumour"]\nvolume_ml = 1',
            "did you mean 'tumor'",
        ),
        ('[[rule]]\nrule = "keep-largest"\nlabels = []\nbodies = 1', "length >= 1"),
        ('[[rule]]\nrule = "keep-largest"\nlabels = ["kidney"]\nbody = 1', "unknown field `body`"),
        ("[[rule", "is no TOML"),
        ("rule = 5", "can't be used"),
    ],
)
def test_what_can_not_be_used_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rules_of(tmp_path, text)


def test_a_rule_for_labels_the_model_has_not_is_refused() -> None:
    with pytest.raises(UsageError, match="names the label 'kidney'; the model has liver"):
        read_rules("kidney", (Label(1, "liver", "#000000"),))


def test_a_name_that_is_nothing_names_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"none, kidney nor a \.toml file"):
        read_rules("kidnay", LABELS)
