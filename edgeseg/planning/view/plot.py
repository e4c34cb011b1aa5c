"""A plan as a picture: the network with its cuts by board, and a Gantt chart of three slices."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.boards.placement import Lane
from edgeseg.bundle.manifest import Manifest, Piece
from edgeseg.errors import UsageError, field_name
from edgeseg.files.atomic import atomic_path, check_writable
from edgeseg.output.plotting import require_matplotlib
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.planning.outcome.gantt import BusyInterval
from edgeseg.planning.outcome.prediction import COORDINATOR
from edgeseg.planning.outcome.simulation import timeline
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.text.units import format_bytes

_SLICES = 3
_RISE, _LEAST_RISE = 0.09, 0.4
"""Height of a skip's arc, as a part of its width, and its least height."""

_ABOVE = 0.28
"""Height of a label over its line."""

_SHADES = (1.0, 0.65, 0.35)


def check_plot(path: Path) -> None:
    """Refuse a picture that could not be written later.

    Raises
    ------
    EdgesegError
        If the name does not end in .png or .svg, the folder can't be written, or matplotlib is
        missing.
    """
    if path.suffix.lower() not in (".png", ".svg"):
        raise UsageError(
            f"{field_name('plot')} {path} is neither .png nor .svg; give a name that ends in one"
        )
    check_writable(path)
    require_matplotlib()


def write_plot(path: Path, manifest: Manifest, problem: Problem, plan: Plan) -> None:
    """Draw the lane of the most boards: its pieces as a U, above a Gantt chart.

    Parameters
    ----------
    path
        A ``.png`` or ``.svg``.
    manifest
        The bundle, for the sizes of the tensors.
    problem
        What was planned.
    plan
        The plan.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    """
    lane = max(plan.lanes, key=lambda lane: len(lane.members))
    intervals = timeline(problem, lane, _SLICES)
    rows = _rows(lane, intervals)
    matplotlib = require_matplotlib()
    width = max(9.0, 0.55 * len(manifest.pieces))
    size = (width, 4.2 + 0.3 * len(rows))
    figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
    network, chart = figure.subplots(2, 1, height_ratios=(3.4, 0.8 + 0.3 * len(rows)))
    colors = {board.name: f"C{number % 10}" for number, board in enumerate(problem.boards)}
    _draw_network(network, manifest, problem, lane, colors)
    _draw_chart(chart, rows, intervals, colors | {COORDINATOR: "dimgrey"})
    one_of = f"one of {len(plan.lanes)} lanes; " if len(plan.lanes) > 1 else ""
    network.set_title(
        f"{manifest.model_name}: {one_of}{plan.prediction.rate:.3g} slices/s, "
        f"{plan.prediction.latency:.3g} s a slice",
        fontsize=10,
    )
    figure.supxlabel(f"{RESEARCH_NOTE}.", fontsize=8, color="dimgrey")
    with atomic_path(path) as target:
        figure.savefig(target, dpi=120)


def level(piece: Piece, rows: int) -> float:
    """Return the level of the U that a piece reaches: how often the image's rows are halved."""
    least = min(port.shape[1] for port in (*piece.inputs, *piece.outputs))
    return math.log2(rows / least)


def _draw_network(
    axes: Any, manifest: Manifest, problem: Problem, lane: Lane, colors: dict[str, str]
) -> None:
    rows = manifest.input.shape[1]
    places = [(x, -level(piece, rows)) for x, piece in enumerate(manifest.pieces)]
    boards = [lane.boards[piece.name] for piece in manifest.pieces]
    for (producer, reader), size in _crossings(problem).items():
        crosses = boards[producer] != boards[reader]
        _draw_flow(axes, places[producer], places[reader], size if crosses else 0)
    for board, piece, (x, y) in zip(boards, manifest.pieces, places, strict=True):
        box = {"boxstyle": "round,pad=0.35", "facecolor": colors[board], "edgecolor": "white"}
        label = piece.name.removeprefix("piece_")
        axes.text(x, y, label, ha="center", va="center", color="white", fontsize=9, bbox=box)
    for name in lane.members:
        axes.plot([], [], "s", color=colors[name], label=name)
    axes.plot([], [], color="black", label="sent")
    axes.plot([], [], color="lightgrey", label="stays")
    axes.set_xlim(-0.7, len(places) - 0.3)
    axes.set_ylim(min(y for _, y in places) - 0.6, 1.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    axes.axis("off")


def _crossings(problem: Problem) -> Counter[tuple[int, int]]:
    """Return the bytes on the wire from piece to piece, by producer and reader."""
    sizes: Counter[tuple[int, int]] = Counter()
    for flow in problem.flows:
        if flow.producer is not None:
            for reader in flow.readers:
                sizes[flow.producer, reader] += flow.wire_bytes
    return sizes


def _draw_flow(
    axes: Any, producer: tuple[float, float], reader: tuple[float, float], sent: int
) -> None:
    """Draw the tensors from piece to piece: a skip as an arc above what lies between."""
    (left, start), (right, end) = producer, reader
    along = np.linspace(0, 1, 40)
    rise = max(_LEAST_RISE, _RISE * (right - left)) if right - left > 1 else 0.0
    height = start + (end - start) * along + 4 * rise * along * (1 - along)
    color = "black" if sent else "lightgrey"
    axes.plot(left + (right - left) * along, height, color=color, linewidth=1, zorder=1)
    if sent:
        top = (start + end) / 2 + rise + _ABOVE
        axes.text((left + right) / 2, top, format_bytes(sent), ha="center", fontsize=7)


def _rows(lane: Lane, intervals: tuple[BusyInterval, ...]) -> list[tuple[str, str]]:
    """Return the parts of machines that are ever busy, as rows of the chart."""
    busy = {(interval.machine, interval.part) for interval in intervals}
    machines = (COORDINATOR, *lane.members)
    return sorted(
        busy, key=lambda row: (machines.index(row[0]), row[1] == "down", row[1] == "up", row[1])
    )


def _draw_chart(
    axes: Any,
    rows: list[tuple[str, str]],
    intervals: tuple[BusyInterval, ...],
    colors: dict[str, str],
) -> None:
    for interval in intervals:
        axes.barh(
            rows.index((interval.machine, interval.part)),
            interval.end - interval.start,
            left=interval.start,
            height=0.8,
            color=colors[interval.machine],
            alpha=_SHADES[interval.index],
            edgecolor="white",
            linewidth=0.5,
        )
    for index, shade in enumerate(_SHADES):
        axes.plot([], [], "s", color="black", alpha=shade, label=f"slice {index + 1}")
    axes.set_yticks(range(len(rows)), [f"{name} {part}" for name, part in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("seconds", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
