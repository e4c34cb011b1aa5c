"""The file format of checkpoints: which run the file belongs to, then one frame a slice.

The file is a line that says what it is, and then frames, each appended whole: a length, a
checksum, and MessagePack. The first frame names the run, the others hold a slice each. A frame
that a killed process left half-written ends the file.
"""

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Count, Extent
from edgeseg.errors import OutputError, UsageError, field_name

MAGIC = b"edgeseg masks 1\n"
_CHECKSUM_BYTES = 16
_PREFIX = struct.Struct(f"<I{_CHECKSUM_BYTES}s")
_COMPRESSION_LEVEL = 3


class CheckpointKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint belongs to: only the same model on the same scan makes the same masks.

    ``probabilities`` tells whether slices are kept as those, not as masks.
    """

    model_sha256: str
    manifest_sha256: str
    scan_sha256: str
    slices: Count
    probabilities: bool = False


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One finished slice, compressed: labels, or 8-bit probabilities of so many channels."""

    index: Count
    rows: Extent
    cols: Extent
    labels: bytes
    channels: Extent | None = None


def open_checkpoint(path: Path) -> BinaryIO:
    """Open a checkpoint to read and append, for this user and this process alone.

    Raises
    ------
    OutputError
        If it can't be opened, or another process has it open.
    """
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


def read_frames(path: Path, content: bytes, key: CheckpointKey, *, resume: bool) -> list[bytes]:
    """Return the payloads of the whole frames of a checkpoint, the key's first.

    Parameters
    ----------
    path
        Names the file in messages.
    content
        All bytes of it.
    key
        The run that would go on from it.
    resume
        Whether going on from it is wanted.

    Raises
    ------
    UsageError
        If it is no checkpoint, or holds slices of another run, or slices and ``resume`` is off.
    """
    if not (content.startswith(MAGIC) or MAGIC.startswith(content)):
        raise UsageError(f"{path} is no checkpoint; write the mask elsewhere")
    frames = list(_frames(content))
    if len(frames) > 1:
        file_key = msgspec.msgpack.decode(frames[0], type=CheckpointKey)
        _check_key(path, file_key, key, len(frames) - 1, resume=resume)
    return frames


def write_start(file: BinaryIO, key: CheckpointKey) -> None:
    """Write the start of an empty checkpoint."""
    _append(file, MAGIC + _framed(key))


def append_slice(file: BinaryIO, index: int, result: NDArray[np.uint8]) -> None:
    """Append a finished slice: labels (rows, columns), or probabilities (H, W, channels).

    Raises
    ------
    OSError
        If it can't be written whole.
    """
    compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL)
    packed = compressor.compress(np.ascontiguousarray(result).data)
    rows, cols, *channels = result.shape
    _append(file, _framed(_Record(index, rows, cols, packed, *channels)))


def decode_slice(frame: bytes) -> tuple[int, NDArray[np.uint8]]:
    """Return the index of a slice's frame, and what :func:`append_slice` was given."""
    record = msgspec.msgpack.decode(frame, type=_Record)
    unpacked = zstandard.ZstdDecompressor().decompress(record.labels)
    shape = (record.rows, record.cols, *(() if record.channels is None else (record.channels,)))
    return record.index, np.frombuffer(unpacked, np.uint8).reshape(shape)


def length_of(frames: list[bytes]) -> int:
    """Return the length in bytes of a checkpoint of these frames."""
    return len(MAGIC) + sum(_PREFIX.size + len(frame) for frame in frames)


def _check_key(
    path: Path, file_key: CheckpointKey, key: CheckpointKey, count: int, *, resume: bool
) -> None:
    """Refuse a checkpoint of so many slices unless it is to be gone on from."""
    if file_key != key:
        raise UsageError(
            f"{path} holds slices of another scan or bundle; write the mask elsewhere, or delete "
            "that file"
        )
    if not resume:
        raise UsageError(
            f"{path} holds {count} of {key.slices} slices of a run that stopped; add "
            f"{field_name('resume')} to go on from there, or delete that file to begin anew"
        )


def _append(file: BinaryIO, frame: bytes) -> None:
    """Write the whole frame; a full disk may take a part of it first."""
    while frame:
        frame = frame[file.write(frame) :]


def _framed(content: CheckpointKey | _Record) -> bytes:
    payload = msgspec.msgpack.encode(content)
    return _PREFIX.pack(len(payload), _checksum(payload)) + payload


def _frames(content: bytes) -> Iterator[bytes]:
    """Yield the payloads of whole frames, up to the first that is not."""
    start = len(MAGIC)
    while start + _PREFIX.size <= len(content):
        length, checksum = _PREFIX.unpack_from(content, start)
        start += _PREFIX.size
        payload = content[start : start + length]
        if len(payload) < length or _checksum(payload) != checksum:
            return
        yield payload
        start += length


def _checksum(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=_CHECKSUM_BYTES).digest()
