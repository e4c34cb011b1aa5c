"""Rules in words, and as a manifest keeps them."""

import msgspec
import pytest

from edgeseg.bundle.rules import Bridge, JoinedTo, KeepLargest, Rule, describe, labels_named

_RULES = (
    KeepLargest(("kidney", "tumor"), 2, ("kidney",), 0.05),
    JoinedTo(("tumor",), ("kidney",), 3.0),
    Bridge(("kidney",), 5.0),
)


@pytest.mark.parametrize("rule", _RULES)
def test_a_manifest_gives_back_what_it_keeps(rule: Rule) -> None:
    assert msgspec.json.decode(msgspec.json.encode(rule), type=Rule) == rule


def test_a_rule_is_described_by_its_values() -> None:
    assert describe(_RULES[0]) == (
        "keep-largest (labels kidney, tumor; bodies 2; ranked_by kidney; least_share 0.05)"
    )


def test_every_label_of_a_rule_is_known() -> None:
    assert [set(labels_named(rule)) for rule in _RULES] == [
        {"kidney", "tumor"},
        {"kidney", "tumor"},
        {"kidney"},
    ]
