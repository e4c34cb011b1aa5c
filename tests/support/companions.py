"""Workers of unlike installations segmenting together."""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from processes import Workers, edgeseg

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.imaging.levels import Grey
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.coordination.backlog import PendingSlice
from edgeseg_runtime.coordination.coordinator import Coordinator

Commands = Sequence[Sequence[str]]
"""How ``edgeseg`` is run in each installation."""

_WINDOW = 2


def segment_together(
    bundle: Path, scan: Path, mask: Path, commands: Commands, timeout: float = 60.0
) -> Any:
    """Segment a scan on a worker of each installation, with room for all; return the report."""
    report = mask.with_suffix(".json")
    with Workers() as started:
        boards = [started.start(command=command).endpoint for command in commands]
        words = [word for board in boards for word in ("--board", board)]
        ran = edgeseg(
            *("segment", bundle, scan, "-o", mask, "--report", report, *words), timeout=timeout
        )
    assert ran.code == 0, ran
    said = json.loads(report.read_text())
    assert all(board["pieces"] and board["sent_bytes"] for board in said["boards"]), said
    return said


def relay(bundle: Path, slices: Sequence[Grey], commands: Commands) -> Mapping[int, Grey]:
    """Hand slices (H, W) from piece to piece around the installations; return their masks."""
    opened = Bundle(bundle)
    with Workers() as started:
        boards = [
            BoardEntry(str(number), started.start(command=command).endpoint)
            for number, command in enumerate(commands)
        ]
        names = cycle(board.name for board in boards)
        homes = {piece.name: next(names) for piece in opened.manifest.pieces}
        coordinator = Coordinator(opened, boards)
        try:
            coordinator.deploy(Placement((Lane(homes, _WINDOW),), {}))
            images = [
                PendingSlice(i, SliceGeometry(*grey.shape), grey) for i, grey in enumerate(slices)
            ]
            results = list(coordinator.stream(images))
        finally:
            coordinator.close()
    assert all(result.kind == "mask" and result.array.any() for result in results)
    return {result.index: result.array for result in results}
