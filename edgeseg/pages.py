"""Memory given back to the system: pages of mapped files, and what has been freed."""

import ctypes
import os
from pathlib import Path

MADV_DONTNEED = 4
M_MMAP_THRESHOLD = -3
LARGE = 2**20
"""Blocks of so many bytes are mapped one by one, and gone as soon as they are freed."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def release_pages(path: Path) -> None:
    """Give back the resident pages of a file that is mapped read-only into this process.

    LiteRT maps a model, then XNNPACK packs the weights into memory of its own; the mapped pages
    would stay resident for nothing. Whatever is still read comes back from the file by itself.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    wanted = str(path.resolve())
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] == wanted and "w" not in fields[1]:
            start, end = (int(address, 16) for address in fields[0].split("-"))
            if _libc.madvise(start, end - start, MADV_DONTNEED):
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), wanted)


def return_freed_memory() -> None:
    """Let freed tensors leave the process at once, rather than wait in its heap for the next.

    The C library would learn from the first freed tensor to keep such blocks. Where it has no
    such setting (musl), it does not keep them either.
    """
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_MMAP_THRESHOLD, LARGE)
