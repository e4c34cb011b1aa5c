"""A boards file lists boards, or is refused with one line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.boards import BoardEntry, read_boards
from edgeseg.errors import UsageError

_GOOD = """
[[board]]
name = "pi"
endpoint = "tcp://10.0.0.2:7355"

[[board]]
name = "jetson"
endpoint = "tcp://10.0.0.3:7355"
speed = 2.5
"""


def test_boards_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "boards.toml"
    file.write_text(_GOOD)
    assert read_boards(file) == (
        BoardEntry("pi", "tcp://10.0.0.2:7355"),
        BoardEntry("jetson", "tcp://10.0.0.3:7355", 2.5),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "board = []",
        "board = 3",
        "[[board]]\nname = 'pi'",
        "[[board]]\nname = 'pi'\nendpoint = 7",
        _GOOD.replace("jetson", "pi"),
        _GOOD.replace("speed", "sped"),
        _GOOD.replace("2.5", "0"),
        _GOOD.replace("2.5", "-1.0"),
        _GOOD.replace("2.5", "nan"),
        _GOOD.replace("2.5", "inf"),
        "[[board]",
    ],
)
def test_what_is_no_boards_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "boards.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=str(file)):
        read_boards(file)


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.mktemp("boards") / "boards.toml"
    file.write_bytes(data)
    with pytest.raises(UsageError, match="boards"):
        read_boards(file)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UsageError, match="can't read the boards file"):
            read_boards(path)
