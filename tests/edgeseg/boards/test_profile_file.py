"""Figures go into a boards file, and nothing else of it changes."""

from pathlib import Path

import msgspec
import pytest
from manifests import chain_manifest

from edgeseg.boards.boards_file import Board, piece_key, read_boards
from edgeseg.boards.link import GIGABIT, Link
from edgeseg.boards.profile_file import MeasuredBoard, write_profile
from edgeseg.bundle.manifest import Manifest
from edgeseg.codecs.pace import CodecPace
from edgeseg.errors import OutputError

_FILE = """\
# our boards
[coordinator]
latency_ms = 0.5  # one way

# the boards
[[board]]  # the old one
name = "one"
endpoint = "tcp://127.0.0.1:7361"   # here

# the new one
[[board]]
name = "two"
memory = "75MiB" # mine

# end
"""

_HALF_KNOWN = """\
[[board]]
name = "one"
[board.piece_ms]
ffffffffffffffff = 3

# two
[[board]]
name = "two"

[coordinator]
latency_ms = 2.0
"""


def _manifest(*digits: str) -> Manifest:
    drawn = chain_manifest([1] * len(digits))
    pieces = (
        msgspec.structs.replace(piece, sha256=digit * 64)
        for piece, digit in zip(drawn.pieces, digits, strict=True)
    )
    return msgspec.structs.replace(drawn, pieces=tuple(pieces))


_MANIFEST, _OTHER = _manifest("1", "2"), _manifest("3", "4")
_FIRST, _SECOND = _OTHER.pieces


def _figures(name: str, **seconds: float) -> MeasuredBoard:
    board = Board(name, 200 * 2**20, cores=2)
    return MeasuredBoard(board, Link(117.9e6, 2.5e9, 0.00123456, 1.23456e-9), seconds)


def _write(path: Path, manifest: Manifest, first: float) -> None:
    both = [_figures(name, piece_00=first, piece_01=0.5) for name in ("one", "two")]
    write_profile(path, manifest, both, None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "boards.toml"
    file.write_text(_FILE)
    return file


def test_what_was_written_is_read(path: Path) -> None:
    write_profile(path, _OTHER, [_figures("two", piece_01=0.0123456)], Link(2e9, 3e9))
    file = read_boards(path)
    one, two = file.board
    assert (two.up, two.down, two.latency_ms) == ("943.2Mbit", "20Gbit", 1.235)
    assert (one.byte_ns, two.byte_ns) == (None, 1.235)
    assert two.seconds(_OTHER.pieces) == {"piece_01": pytest.approx(0.01235)}
    assert (file.coordinator.up, file.coordinator.down) == ("16Gbit", "24Gbit")
    assert file.coordinator.latency_ms == 0.5
    assert (one.up, one.piece_ms) == (None, {})


def test_memory_and_cores_are_kept_where_the_file_says_them(path: Path) -> None:
    _write(path, _OTHER, 0.25)
    one, two = read_boards(path).board
    assert (one.memory, one.cores) == ("200MiB", 2)
    assert (two.memory, two.cores) == ("75MiB", 2)


def test_comments_and_order_stay(path: Path) -> None:
    _write(path, _OTHER, 0.25)
    lines = path.read_text().splitlines()
    assert [line for line in lines if line in _FILE.splitlines() and line] == [
        line for line in _FILE.splitlines() if line
    ]
    assert f"{piece_key(_FIRST)} = 250.0 # random, piece_00" in lines
    assert lines.index("# the new one") == lines.index('name = "two"') - 2
    assert lines.index("# the new one") > lines.index(
        f"{piece_key(_SECOND)} = 500.0 # random, piece_01"
    )
    assert lines[-1] == "# end"


def test_bundles_share_a_file_and_new_figures_replace_old_ones(path: Path) -> None:
    _write(path, _MANIFEST, 0.25)
    _write(path, _OTHER, 0.125)
    once = path.read_text()
    _write(path, _OTHER, 0.125)
    assert path.read_text() == once
    for entry in read_boards(path).board:
        assert entry.seconds(_MANIFEST.pieces) == {"piece_00": 0.25, "piece_01": 0.5}
        assert entry.seconds(_OTHER.pieces) == {"piece_00": 0.125, "piece_01": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        'board = [{name = "one"}, {name = "two", piece_ms = {ffffffffffffffff = 2}}]\r\n',
        _HALF_KNOWN,
        '[[board]]\nname="one"\n[[board]]\nname="two"',
    ],
)
def test_files_of_every_form_take_figures(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    for manifest in (_MANIFEST, _OTHER, _MANIFEST):
        _write(path, manifest, 0.25)
    for entry in read_boards(path).board:
        assert entry.seconds(_MANIFEST.pieces) == {"piece_00": 0.25, "piece_01": 0.5}
    assert ("ffffffffffffffff" in path.read_text()) == ("ffffffffffffffff" in text)


@pytest.mark.parametrize("text", ["[[board]", '[[board]]\nname = "two"\n', ""])
def test_a_file_that_changed_meanwhile_is_left_alone(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(OutputError, match="changed meanwhile"):
        _write(path, _OTHER, 0.25)
    assert path.read_text() == text


def test_costs_of_codecs_are_written_on_one_line_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "boards.toml"
    path.write_text('[[board]]\nname = "one"\nmemory = "75MiB"\n')
    paces = (CodecPace("lossless", 7.5e-9, 5e-9), CodecPace("int8", 6e-9, 3e-9))
    board = Board("one", 75 * 2**20, codecs=paces)
    write_profile(path, _MANIFEST, [MeasuredBoard(board, GIGABIT, {})], None)
    (entry,) = read_boards(path).board
    assert entry.codec_ns == {"lossless": (7.5, 5.0), "int8": (6.0, 3.0)}
    assert "codec_ns = {lossless = [7.5, 5.0], int8 = [6.0, 3.0]}" in path.read_text()
