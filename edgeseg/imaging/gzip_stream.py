"""A gzip read forwards, no more of it than is asked for; what stands behind it is no fault."""

import io
import zlib
from collections.abc import Callable
from typing import IO, Any, Final

from typing_extensions import override

GZIP_MAGIC: Final = b"\x1f\x8b"
_WITH_HEADER = zlib.MAX_WBITS | 16
_CHUNK = 2**18


class GzipStream(io.RawIOBase):
    """The decompressed bytes of a gzip, which may have several members.

    The checksum of a member is compared when its last byte was read. Bytes behind the last member
    that are none are left alone, as where an archive padded the file.

    Parameters
    ----------
    opens
        Opens the compressed file anew; seeking backwards begins from there.
    """

    def __init__(self, opens: Callable[[], IO[bytes]]) -> None:
        super().__init__()
        self._opens = opens
        self._place = 0
        self._file = opens()
        self._inflater: Any = zlib.decompressobj(_WITH_HEADER)
        self._waiting = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as one step of the decompressor does; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self._next(len(view))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._place
        elif whence != io.SEEK_SET:
            raise io.UnsupportedOperation("the length of a gzip is unknown until it is read")
        if offset < self._place:
            self._file.close()
            self._file, self._place = self._opens(), 0
            self._inflater, self._waiting = zlib.decompressobj(_WITH_HEADER), b""
        while self._place < offset and self.read(min(_CHUNK, offset - self._place)):
            pass
        return self._place

    @override
    def close(self) -> None:
        self._file.close()
        super().close()

    def _next(self, size: int) -> bytes:
        """Return up to so many bytes; none at the end.

        Raises
        ------
        EOFError
            If the file ends within a member.
        zlib.error
            If a member is damaged.
        """
        while size:
            if self._inflater.eof and not self._begin_member():
                break
            compressed = self._waiting or self._file.read(_CHUNK)
            if not compressed:
                raise EOFError("the compressed file ends early")
            data: bytes = self._inflater.decompress(compressed, size)
            self._waiting = self._inflater.unconsumed_tail
            if data:
                return data
        return b""

    def _begin_member(self) -> bool:
        """Tell whether another member follows, and get ready for it."""
        behind = self._inflater.unused_data or self._waiting
        behind += self._file.read(len(GZIP_MAGIC)) if len(behind) < len(GZIP_MAGIC) else b""
        if not behind.startswith(GZIP_MAGIC):
            return False
        self._inflater, self._waiting = zlib.decompressobj(_WITH_HEADER), behind
        return True
