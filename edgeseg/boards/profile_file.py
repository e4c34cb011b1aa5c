"""Writes what was measured of boards and links into the boards file; all else in it stays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import InlineTable, Table

from edgeseg.boards.boards_file import Board, piece_key
from edgeseg.boards.link import Link
from edgeseg.bundle.manifest import Manifest
from edgeseg.codecs.pace import CodecPace
from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_path
from edgeseg.text.units import MIB, format_rate


@dataclass(frozen=True)
class MeasuredBoard:
    """What was measured of a board.

    Parameters
    ----------
    board
        As its worker describes it.
    link
        Its way to the network.
    seconds
        Seconds that each piece takes on one core, by name; without those that do not fit there.
    """

    board: Board
    link: Link
    seconds: Mapping[str, float]


def write_profile(
    path: Path, manifest: Manifest, boards: Sequence[MeasuredBoard], coordinator: Link | None
) -> None:
    """Write measured figures into a boards file; comments, order and other bundles' figures stay.

    Memory and cores are written only where the file does not state them.

    Parameters
    ----------
    path
        A boards file that lists all these boards.
    manifest
        The bundle whose pieces were measured.
    boards
        What was measured.
    coordinator
        The link of this machine, where more is known of it than the file says.

    Raises
    ------
    OutputError
        If the file can't be written, or no longer lists the boards; it is as it was then.
    """
    try:
        document = tomlkit.parse(path.read_bytes().decode())
        entries = {str(entry["name"]): entry for entry in document["board"]}
        for figures in boards:
            _enter(entries[figures.board.name], manifest, figures)
        if coordinator is not None:
            table = document.setdefault("coordinator", {})
            for item in _set(table, _rates(coordinator)):
                table.add(item)
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(f"{path} was changed meanwhile; start again") from None
    with atomic_path(path) as target:
        target.write_bytes(tomlkit.dumps(document).encode())


def _enter(entry: Any, manifest: Manifest, figures: MeasuredBoard) -> None:
    stated = {"memory": f"{figures.board.memory_limit // MIB}MiB", "cores": figures.board.cores}
    values = {key: value for key, value in stated.items() if key not in entry}
    link = figures.link
    values |= _rates(link) | {
        "latency_ms": _rounded(link.latency * 1e3),
        "byte_ns": _rounded(link.toll * 1e9),
    }
    if figures.board.codecs:
        values["codec_ns"] = _codec_table(figures.board.codecs)
    measured = [piece for piece in manifest.pieces if piece.name in figures.seconds]
    times = {piece_key(piece): _rounded(figures.seconds[piece.name] * 1e3) for piece in measured}
    trailing = _set(entry, values)
    trailing += _set(entry.setdefault("piece_ms", {}), times)
    table = entry["piece_ms"]
    if isinstance(table, Table):
        for piece in measured:
            table[piece_key(piece)].comment(f"{manifest.model_name}, {piece.name}")
        for item in trailing or [tomlkit.nl()]:
            table.add(item)


def _codec_table(paces: Iterable[CodecPace]) -> InlineTable:
    """Return nanoseconds a byte of encoding and decoding, by codec, on one line."""
    table = tomlkit.inline_table()
    for pace in paces:
        table[pace.codec] = [_rounded(1e9 * pace.encode), _rounded(1e9 * pace.decode)]
    return table


def _set(table: Any, values: Mapping[str, Any]) -> list[Any]:
    """Set values of a table; return the comments and blank lines that must be put behind them."""
    trailing: list[Any] = []
    while isinstance(table, Table) and table.value.body and table.value.body[-1][0] is None:
        trailing.insert(0, table.value.body.pop()[1])
    for key, value in values.items():
        table[key] = value
    return trailing


def _rates(link: Link) -> dict[str, str]:
    return {"up": format_rate(link.up), "down": format_rate(link.down)}


def _rounded(value: float) -> float:
    """Round to four digits: more would be noise."""
    return float(f"{value:.4g}")
