"""Keeps the finished slices of a run in a file beside its output, for a later run to go on from."""

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from edgeseg.bundle.bundle_file import digest
from edgeseg.bundle.manifest import Manifest
from edgeseg.errors import OutputError
from edgeseg.files.atomic import sync
from edgeseg.imaging.scan import Slices
from edgeseg_runtime.segmentation.checkpoint_file import (
    CheckpointKey,
    append_slice,
    decode_slice,
    length_of,
    open_checkpoint,
    read_frames,
    write_start,
)

SUFFIX = ".partial"
_SYNC_SECONDS = 3.0


def checkpoint_key(
    manifest: Manifest, scan: Slices, *, probabilities: bool = False
) -> CheckpointKey:
    """Return what tells the run of a bundle on a scan from others; reads the scan once.

    Parameters
    ----------
    manifest, scan
        Of the bundle; the scan.
    probabilities
        Whether slices are kept as probabilities, not as masks.
    """
    content = hashlib.sha256()
    for index in range(len(scan)):
        image = np.ascontiguousarray(scan.slice(index))
        content.update(f"{image.dtype.str} {scan.geometry(index)} {scan.windowed}\n".encode())
        content.update(image.data)
    return CheckpointKey(
        model_sha256=manifest.model_sha256,
        manifest_sha256=digest(msgspec.json.encode(manifest)),
        scan_sha256=content.hexdigest(),
        slices=len(scan),
        probabilities=probabilities,
    )


def checkpoint_path(output: Path) -> Path:
    """Return where the finished slices of an output are kept."""
    return output.with_name(output.name + SUFFIX)


def slices_kept(output: Path, key: CheckpointKey, *, resume: bool) -> int:
    """Return how many slices of a run are kept; nothing is changed.

    Parameters
    ----------
    output, key, resume
        As for :class:`Checkpoint`.

    Raises
    ------
    UsageError, OutputError
        As :class:`Checkpoint`.
    """
    path = checkpoint_path(output)
    try:
        frames = read_frames(path, path.read_bytes(), key, resume=resume)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise OutputError(f"can't read {path} ({error.strerror}); write elsewhere") from None
    return max(0, len(frames) - 1)


class Checkpoint:
    """The finished slices of one run; a context manager that keeps the file open.

    Parameters
    ----------
    output
        The mask that the run will write; the checkpoint lies beside it.
    key
        What is segmented with what.
    resume
        Go on from a checkpoint that is there. Without that it is refused: it may be hours of
        work.
    tell
        Called with one line if slices can't be kept any more; the run need not end for that.

    Attributes
    ----------
    path
        The file.
    slices
        The finished slices by index: masks, or probabilities where the key says so.

    Raises
    ------
    UsageError
        If there is a file that must not be touched: another run's, or one to be resumed.
    OutputError
        If it can't be opened, or another process has it open.
    """

    def __init__(
        self, output: Path, key: CheckpointKey, *, resume: bool, tell: Callable[[str], None]
    ) -> None:
        self.path = checkpoint_path(output)
        self.slices: dict[int, NDArray[np.uint8]] = {}
        self._tell = tell
        self._synced_at = time.monotonic()
        self._file: BinaryIO | None = open_checkpoint(self.path)
        try:
            self._read(self._file, key, resume=resume)
        except OSError as error:
            if not self.slices:
                self.remove()
            self._file.close()
            reason = (error.strerror or str(error)).lower()
            raise OutputError(
                f"can't write {self.path}: {reason}; free some space or write elsewhere"
            ) from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Return itself; the file is open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, and remove it if it holds no slice."""
        if not self.slices:
            self.remove()
        elif self._file is not None:
            with suppress(OSError):
                os.fsync(self._file.fileno())
        if self._file is not None:
            self._file.close()

    def keep(self, index: int, result: NDArray[np.uint8]) -> None:
        """Write a finished slice: it is there even if this process is killed the next moment.

        A power cut costs the slices of some seconds: a slow disk would hold up the boards else.
        """
        self.slices[index] = result
        if self._file is None:
            return
        try:
            append_slice(self._file, index, result)
            self._sync(self._file)
        except OSError as error:
            self._tell(f"slices are kept no more in {self.path}: {(error.strerror or '').lower()}")
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove the file: the mask is written."""
        self.path.unlink(missing_ok=True)

    def _sync(self, file: BinaryIO) -> None:
        """Have slices written to the disk itself now and then."""
        if time.monotonic() - self._synced_at > _SYNC_SECONDS:
            os.fsync(file.fileno())
            self._synced_at = time.monotonic()

    def _read(self, file: BinaryIO, key: CheckpointKey, *, resume: bool) -> None:
        """Read the slices, and cut off what was left half-written."""
        frames = read_frames(self.path, file.read(), key, resume=resume)
        self.slices.update(map(decode_slice, frames[1:]))
        if self.slices:
            file.truncate(length_of(frames))
        else:
            file.truncate(0)
            write_start(file, key)
            os.fsync(file.fileno())
            sync(self.path.parent)
