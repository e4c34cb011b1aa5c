"""What a search remembers outlives it, and is found by what it depends on alone."""

from pathlib import Path

import pytest

from edgeseg_converters.compare.comparison import ComparedModel
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.search.state import STATE, State, key_of

ENTRY = ComparedModel("any", "any.edgeseg", 5, (), 0.9, 1.0, 100)


def test_findings_are_there_for_the_next_search(tmp_path: Path) -> None:
    bundle = tmp_path / "any.edgeseg"
    bundle.write_bytes(b"pieces")
    built = State(tmp_path).add_bundle("compile", bundle, ("a note",))
    State(tmp_path).add_entry("measure", ENTRY)
    again = State(tmp_path)
    assert again.bundle("compile", bundle) == built
    assert again.entry("measure") == ENTRY
    assert again.bundle("else", bundle) is None
    assert again.entry("else") is None


def test_a_bundle_that_has_changed_is_not_taken_for_the_one_compiled(tmp_path: Path) -> None:
    bundle = tmp_path / "any.edgeseg"
    bundle.write_bytes(b"pieces")
    state = State(tmp_path)
    state.add_bundle("compile", bundle, ())
    bundle.write_bytes(b"others")
    assert state.bundle("compile", bundle) is None
    bundle.unlink()
    assert state.bundle("compile", bundle) is None


@pytest.mark.parametrize("text", [b"", b"{", b'{"bundles": 1}', b'{"version": 2}'])
def test_a_foreign_state_counts_as_empty(tmp_path: Path, text: bytes) -> None:
    (tmp_path / STATE).write_bytes(text)
    assert State(tmp_path).entry("measure") is None


def test_a_key_depends_on_every_input_and_not_on_their_order() -> None:
    recipe = Recipe(quantize="int8")
    key = key_of(model="a", recipe=recipe)
    assert key == key_of(recipe=recipe, model="a")
    others = [
        key_of(model="b", recipe=recipe),
        key_of(model="a", recipe=Recipe()),
        key_of(model="a", recipe=recipe, more=None),
    ]
    assert len({key, *others}) == 4
