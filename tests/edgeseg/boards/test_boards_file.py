"""A boards file lists boards, or is refused with one line."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifests import chain_manifest

from edgeseg.boards.boards_file import (
    WORKER_BASE,
    Board,
    BoardEntry,
    BoardsFile,
    LinkEntry,
    read_boards,
)
from edgeseg.codecs.pace import expected_paces
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


_PLANNED = """
[coordinator]
up = "1Gbit"

[[board]]
name = "pi"
memory = "512MiB"
cores = 4
up = "100Mbit"
down = "90Mbit"
latency_ms = 0.5
"""

_MEASURED = """
[[board]]
name = "pi"
[board.piece_ms]
0123456789abcdef = 12.5
fedcba9876543210 = 3
"""


def _read(folder: Path, text: str) -> BoardsFile:
    (folder / "boards.toml").write_text(text)
    return read_boards(folder / "boards.toml")


def test_boards_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = _read(tmp_path, _GOOD)
    assert file.board == (
        BoardEntry("pi", "tcp://10.0.0.2:7355"),
        BoardEntry("jetson", "tcp://10.0.0.3:7355", 2.5),
    )
    assert file.coordinator == LinkEntry()


def test_a_file_may_describe_boards_for_planning(tmp_path: Path) -> None:
    file = _read(tmp_path, _PLANNED)
    (pi,) = file.board
    codecs = expected_paces(1.0)
    assert pi.expected == Board("pi", 512 * 2**20, WORKER_BASE, cores=4, codecs=codecs)
    assert (pi.up, pi.down, pi.latency_ms) == ("100Mbit", "90Mbit", 0.5)
    assert file.coordinator == LinkEntry(up="1Gbit")


def test_measured_figures_are_those_of_the_very_piece(tmp_path: Path) -> None:
    (pi,) = _read(tmp_path, _MEASURED).board
    pieces = chain_manifest([1, 1, 1]).pieces
    known = [
        msgspec.structs.replace(piece, sha256=digits * 4)
        for piece, digits in zip(
            pieces, ("0123456789abcdef", "fedcba9876543210", "0123456789abcdee"), strict=True
        )
    ]
    assert pi.seconds(known) == {"piece_00": 0.0125, "piece_01": 0.003}
    assert pi.seconds(pieces) == {}


def test_what_a_board_lacks_is_said_with_its_name(tmp_path: Path) -> None:
    (planned,) = _read(tmp_path, _PLANNED).board
    with pytest.raises(UsageError, match="pi has no endpoint"):
        _ = planned.address
    with pytest.raises(UsageError, match="pi has no memory"):
        _ = _read(tmp_path, _GOOD).board[0].expected


def test_a_board_may_have_a_key(tmp_path: Path) -> None:
    key = "4^Y3TM@nrkGOp8kYidU8[1uk6em)KH2]F$*MSH[q"
    assert _read(tmp_path, f'{_GOOD}public_key = "{key}"').board[-1].public_key == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "board = []",
        "board = 3",
        "[[board]]\nendpoint = 'tcp://10.0.0.2:7355'",
        "[[board]]\nname = 'pi'\nendpoint = 7",
        _GOOD.replace("jetson", "pi"),
        _GOOD.replace("speed", "sped"),
        _GOOD.replace("2.5", "0"),
        _GOOD.replace("2.5", "-1.0"),
        _GOOD.replace("2.5", "nan"),
        _GOOD.replace("2.5", "inf"),
        "[[board]",
        _PLANNED.replace("512MiB", "512 miles"),
        _PLANNED.replace("512MiB", "-1MiB"),
        _PLANNED.replace('"512MiB"', "512"),
        _PLANNED.replace("cores = 4", "cores = 0"),
        _PLANNED.replace("cores = 4", "cores = 1.5"),
        _PLANNED.replace("100Mbit", "100"),
        _PLANNED.replace("100Mbit", "100MB"),
        _PLANNED.replace("90Mbit", "-90Mbit"),
        _PLANNED.replace("1Gbit", "0Gbit"),
        _PLANNED.replace("0.5", "-0.5"),
        _PLANNED.replace("0.5", "nan"),
        _PLANNED.replace("0.5", ""),
        _PLANNED.replace("latency_ms", "latency"),
        _PLANNED.replace('up = "1Gbit"', 'name = "me"'),
        _PLANNED.replace("cores = 4", "piece_ms = 3"),
        *(_MEASURED.replace("12.5", value) for value in ("'12'", "[12]", "true", "-1", "0", "nan")),
        _MEASURED.replace("12.5", "inf"),
        _GOOD + f'public_key = "{"k" * 39}"',
        _GOOD + f'public_key = "{"k" * 39}~"',
        _MEASURED.replace("0123456789abcdef", "piece_00"),
        _MEASURED.replace("0123456789abcdef", "0123456789abcdef0"),
        _MEASURED.replace("0123456789abcdef", "0123456789ABCDEF"),
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


def test_measured_costs_of_codecs_take_the_place_of_expected_ones(tmp_path: Path) -> None:
    (pi,) = _read(tmp_path, _PLANNED + "codec_ns = {lossless = [7.5, 5]}\n").board
    (pace,) = pi.expected.codecs
    assert (pace.codec, pace.encode, pace.decode) == ("lossless", 7.5e-9, 5e-9)


@pytest.mark.parametrize("figures", ["[0, 1]", "[1, -1]", "[1, inf]", "[nan, 1]"])
def test_costs_of_codecs_out_of_range_are_refused(tmp_path: Path, figures: str) -> None:
    with pytest.raises(UsageError, match="codec_ns must be pairs of numbers above zero"):
        _read(tmp_path, f"{_PLANNED}codec_ns = {{lossless = {figures}}}\n")


def test_an_unknown_codec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no boards file"):
        _read(tmp_path, _PLANNED + "codec_ns = {gzip = [1, 1]}\n")
