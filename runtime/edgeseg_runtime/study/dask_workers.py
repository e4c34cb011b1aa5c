"""How many Dask workers of what size this machine gives a study."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import psutil

from edgeseg.boards.boards_file import WORKER_BASE
from edgeseg.boards.memory_use import peak_board_bytes, slice_bytes
from edgeseg.bundle.manifest import Manifest
from edgeseg.text.units import MIB
from edgeseg_runtime.local_workers import share_machine, this_machine, usable_memory
from edgeseg_runtime.study.segmenter_cache import BOARDS_VARIABLE

HEAD_RESOURCE = "GROUP"
"""The resource of which a Dask worker offers one if it heads a group of boards."""

PROCESS_BYTES = 192 * MIB
"""About what a Dask worker takes before any volume."""

_VOXEL_BYTES = 8
"""A voxel as float32, its label, and both in the file's order."""

_COMPRESSION = 4
"""How much larger a volume may be than its files, compressed ones among them."""


@dataclass(frozen=True)
class WorkerSpec:
    """One Dask worker: cores, bytes of memory, and the boards file of the group it heads."""

    cores: int
    memory_limit: int
    boards: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Variables for its process, beside those of Dask."""
        return {BOARDS_VARIABLE: str(self.boards)} if self.boards else {}

    @property
    def resources(self) -> dict[str, float]:
        """The resources that it offers to tasks."""
        return {HEAD_RESOURCE: 1} if self.boards else {}


def divide_machine(cores: int, available: int, volumes: int, need: int) -> tuple[WorkerSpec, ...]:
    """Divide a machine into equal workers that share four fifths of the available memory. Pure.

    There is a worker a core, but no more than volumes, and fewer where memory is short.

    Parameters
    ----------
    cores, available
        Of the machine: cores, and bytes of memory.
    volumes
        How many volumes there are.
    need
        Bytes that a volume takes, or that the pieces take, whichever are more; half of a worker's
        memory is for its volume and half for the pieces.
    """
    count = max(1, min(cores, volumes, usable_memory(available) // (2 * need)))
    share = share_machine(cores, available, count, None)
    return (WorkerSpec(share.cores, share.memory_limit),) * count


def local_worker_specs(manifest: Manifest, scans: Sequence[Path]) -> tuple[WorkerSpec, ...]:
    """Divide this machine so that each worker can hold the bundle and the largest of the scans."""
    cores = len(os.sched_getaffinity(0))
    available = psutil.virtual_memory().available
    volume = PROCESS_BYTES + max(map(_volume_bytes, scans))
    return divide_machine(cores, available, len(scans), max(volume, _pieces_bytes(manifest)))


def group_head_specs(boards: Sequence[Path]) -> tuple[WorkerSpec, ...]:
    """Return a worker for each boards file, with equal shares of this machine's memory."""
    share = this_machine(len(boards), None)
    return tuple(WorkerSpec(1, share.memory_limit, path.absolute()) for path in boards)


def _pieces_bytes(manifest: Manifest) -> int:
    """Return the bytes of a worker that runs all pieces, with one slice waiting."""
    all_pieces = frozenset(piece.name for piece in manifest.pieces)
    return WORKER_BASE + peak_board_bytes(manifest.pieces, 2 * slice_bytes(manifest, all_pieces))


def _volume_bytes(path: Path) -> int:
    """Return about how many bytes a scan takes; one that can't be read is reported later."""
    if path.is_dir():
        return _COMPRESSION * sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    try:
        header: Any = nib.load(path).header
    except (OSError, ValueError, nib.filebasedimages.ImageFileError):
        return _COMPRESSION * path.stat().st_size
    return _VOXEL_BYTES * math.prod(map(int, header.get_data_shape()))
