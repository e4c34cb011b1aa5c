"""What somebody may have meant, in keys, choices and paths."""

from pathlib import Path

import msgspec
import pytest

from edgeseg.boards.boards_file import read_boards
from edgeseg.errors import UsageError
from edgeseg.text.suggestions import did_you_mean, near_choice, near_key, near_path
from edgeseg_runtime.board.config import worker_config


class _Inner(msgspec.Struct, forbid_unknown_fields=True):
    latency: int = 0


class _Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: _Inner = msgspec.field(default_factory=_Inner)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("balancd", "; did you mean 'balanced'?"),
        ("BALANCED", "; did you mean 'balanced'?"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_suggested(word: str, said: str) -> None:
    assert did_you_mean(word, ("exact", "balanced", "tiny")) == said


def test_nothing_is_suggested_of_nothing() -> None:
    assert not did_you_mean("x", ())
    assert not near_choice("a message of another kind")
    assert not near_key(ValueError("something else"), _Outer)


def test_a_choice() -> None:
    assert near_choice("'ful' is not one of 'full', 'half'.") == "; did you mean 'full'?"


def test_a_key_of_any_of_the_structs() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"inner": {"latncy": 3}}, _Outer)
    assert near_key(caught.value, _Outer, _Inner) == "; did you mean 'latency'?"


def test_a_key_in_the_wrong_place_is_not_suggested_again() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"inner": {"inner": 3}}, _Outer)
    assert not near_key(caught.value, _Outer, _Inner)


def test_a_path_in_its_folder(tmp_path: Path) -> None:
    there = tmp_path / "kidney.edgeseg"
    there.touch()
    (tmp_path / ".kidney.edgesegg").touch()
    assert near_path(tmp_path / "kidny.edgeseg") == f"; did you mean '{there}'?"
    assert not near_path(tmp_path / "unlike")
    assert not near_path(there)


def test_a_folder_beside_the_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    assert f"did you mean '{tmp_path / 'bundles'}'?" in near_path(tmp_path / "bundels" / "a")
    assert not near_path(Path("/none/none/none"))


def test_keys_of_the_files(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('[[board]]\nname = "a"\nlatncy_ms = 2\n')
    with pytest.raises(UsageError, match=r"latncy_ms.*did you mean 'latency_ms'"):
        read_boards(file)
    file.write_text('memory_limt = "1GiB"\n')
    with pytest.raises(UsageError, match="did you mean 'memory_limit'"):
        worker_config(file, {})
    with pytest.raises(UsageError, match=r"did you mean .*some\.toml"):
        read_boards(tmp_path / "sme.toml")
