"""The masks of a run as they come, in a file beside the output: what a stopped run goes on from.

The file is a line that says what it is, and then frames, each appended whole: a length, a
checksum, and MessagePack. The first says which run it is, the others hold a slice each. A frame
that a killed process left half-written ends them.
"""

import fcntl
import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
import numpy as np
import zstandard
from typing_extensions import Self

from edgeseg.bundle.bundle_file import digest
from edgeseg.bundle.manifest import Count, Extent, Manifest
from edgeseg.errors import OutputError, UsageError, field_name
from edgeseg.imaging.scan import Slices
from edgeseg.imaging.slices import Mask

SUFFIX = ".partial"
_MAGIC = b"edgeseg masks 1\n"
_CHECKED = 16
_PREFIX = struct.Struct(f"<I{_CHECKED}s")
_LEVEL = 3


class CheckpointKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint belongs to: only the same model on the same scan makes the same masks."""

    model_sha256: str
    manifest_sha256: str
    scan_sha256: str
    slices: Count


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One finished slice, its labels compressed."""

    index: Count
    rows: Extent
    cols: Extent
    labels: bytes


def run_of(manifest: Manifest, scan: Slices) -> CheckpointKey:
    """Return what tells this run from others; reads the scan once."""
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
    )


def slices_kept(output: Path, run: CheckpointKey, *, resume: bool) -> int:
    """Return how many slices of a run are kept; nothing is changed.

    Parameters
    ----------
    output, run, resume
        As for :class:`Checkpoint`.

    Raises
    ------
    UsageError, OutputError
        As :class:`Checkpoint`.
    """
    path = checkpoint_path(output)
    try:
        frames = _whole_frames(path, path.read_bytes(), run, resume=resume)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise OutputError(f"can't read {path} ({error.strerror}); write elsewhere") from None
    return max(0, len(frames) - 1)


def checkpoint_path(output: Path) -> Path:
    """Return where the slices of an output are kept."""
    return output.with_name(output.name + SUFFIX)


class Checkpoint:
    """The finished slices of one run; a context manager that keeps the file open.

    Parameters
    ----------
    output
        The mask that the run will write; the checkpoint lies beside it.
    run
        What is segmented with what.
    resume
        Go on from a checkpoint that is there. Without that it is refused: it may be hours of
        work.
    tell
        Called with one line if slices can't be kept any more; the run need not end for that.

    Attributes
    ----------
    masks
        The finished slices by index.

    Raises
    ------
    UsageError
        If there is a file that must not be touched: another run's, or one to be resumed.
    OutputError
        If it can't be opened, or another process has it open.
    """

    def __init__(
        self, output: Path, run: CheckpointKey, *, resume: bool, tell: Callable[[str], None]
    ) -> None:
        self.path = checkpoint_path(output)
        self.masks: dict[int, Mask] = {}
        self._tell = tell
        self._file: BinaryIO | None = _open(self.path)
        try:
            self._take_up(self._file, run, resume)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Keep what comes."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; one without a slice is of no use to anybody."""
        if not self.masks:
            self.remove()
        if self._file is not None:
            self._file.close()

    def keep(self, index: int, mask: Mask) -> None:
        """Write a finished slice: it is there even if this process is killed the next moment."""
        self.masks[index] = mask
        if self._file is None:
            return
        labels = zstandard.ZstdCompressor(level=_LEVEL).compress(np.ascontiguousarray(mask).data)
        rows, cols = mask.shape
        try:
            _append(self._file, _framed(_Record(index, rows, cols, labels)))
        except OSError as error:
            self._tell(f"slices are kept no more in {self.path}: {(error.strerror or '').lower()}")
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove the file: the mask is written."""
        self.path.unlink(missing_ok=True)

    def _take_up(self, file: BinaryIO, run: CheckpointKey, resume: bool) -> None:
        """Read what is there, and cut off what was left half-written."""
        frames = _whole_frames(self.path, file.read(), run, resume=resume)
        kept = len(_MAGIC)
        for number, frame in enumerate(frames):
            kept += _PREFIX.size + len(frame)
            if number:
                record = msgspec.msgpack.decode(frame, type=_Record)
                self.masks[record.index] = _mask(record)
        file.truncate(kept if len(frames) > 1 else 0)
        if len(frames) <= 1:
            _append(file, _MAGIC + _framed(run))


def _whole_frames(path: Path, there: bytes, run: CheckpointKey, *, resume: bool) -> list[bytes]:
    """Return what a file holds, unless it must not be gone on from."""
    if not (there.startswith(_MAGIC) or _MAGIC.startswith(there)):
        raise UsageError(f"{path} is no checkpoint; write the mask elsewhere")
    frames = list(_frames(there))
    if len(frames) > 1:
        _check(
            path,
            msgspec.msgpack.decode(frames[0], type=CheckpointKey),
            run,
            len(frames) - 1,
            resume,
        )
    return frames


def _check(path: Path, there: CheckpointKey, run: CheckpointKey, count: int, resume: bool) -> None:
    """Refuse a checkpoint that holds slices and is not to be gone on from."""
    if there != run:
        raise UsageError(
            f"{path} holds slices of another scan or bundle; write the mask elsewhere, or delete "
            "that file"
        )
    if not resume:
        raise UsageError(
            f"{path} holds {count} of {run.slices} slices of a run that stopped; add "
            f"{field_name('resume')} to go on from there, or delete that file to begin anew"
        )


def _open(path: Path) -> BinaryIO:
    """Open to read and append, for this user and this process alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    try:
        file = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
    except OSError as error:
        raise OutputError(f"can't write {path} ({error.strerror}); write elsewhere") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OutputError(f"another run writes {path} now; wait until it ends") from None
    return file


def _append(file: BinaryIO, frame: bytes) -> None:
    """Write the whole frame; a full disk may take a part of it first."""
    while frame:
        frame = frame[file.write(frame) :]


def _framed(content: CheckpointKey | _Record) -> bytes:
    payload = msgspec.msgpack.encode(content)
    return _PREFIX.pack(len(payload), _checksum(payload)) + payload


def _frames(there: bytes) -> Iterator[bytes]:
    """Yield the payloads of whole frames, up to the first that is not."""
    start = len(_MAGIC)
    while start + _PREFIX.size <= len(there):
        length, checksum = _PREFIX.unpack_from(there, start)
        start += _PREFIX.size
        payload = there[start : start + length]
        if len(payload) < length or _checksum(payload) != checksum:
            return
        yield payload
        start += length


def _checksum(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=_CHECKED).digest()


def _mask(record: _Record) -> Mask:
    labels = zstandard.ZstdDecompressor().decompress(record.labels)
    return np.frombuffer(labels, np.uint8).reshape(record.rows, record.cols)
