"""Memory of this process: gives back pages of files, and settings of the C library's heap."""

import ctypes
import os
from pathlib import Path

MADV_DONTNEED = 4
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
LARGEST_REUSED = 32 * 2**20
"""The largest block that the C library can be told not to map on its own."""

SMALLEST_RETURNED = 64 * 2**10
"""The smallest block that is mapped on its own where freed memory must be given back."""

KEPT_FREE = 512 * 2**20
"""Free memory that may stay at the end of the heap."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def release_pages(path: Path) -> None:
    """Give back the resident pages of a file that is mapped read-only into this process.

    LiteRT maps a model, then XNNPACK packs the weights into memory of its own; the mapped pages
    would stay resident for nothing. Whatever is still read comes back from the file by itself.
    Another process may have put the same file in its place since: the kernel then calls the mapped
    one deleted.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    name = str(path.resolve())
    names = (name, f"{name} (deleted)")
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] in names and "w" not in fields[1]:
            start, end = (int(address, 16) for address in fields[0].split("-"))
            if _libc.madvise(start, end - start, MADV_DONTNEED):
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), name)


def reuse_freed_memory() -> None:
    """Keep the memory of freed tensors in one heap for the next.

    To be called before threads start, since it also decides how many heaps there are.

    Every slice makes and frees tensors of the same sizes. Left to itself the C library would map
    and unmap them, and faulting their pages in takes longer than copying the tensors; and it
    would keep a heap for every thread. Where it has no such settings (musl) nothing changes.
    """
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_ARENA_MAX, 1)
        _libc.mallopt(M_MMAP_THRESHOLD, LARGEST_REUSED)
        _libc.mallopt(M_TRIM_THRESHOLD, KEPT_FREE)


def return_freed_memory() -> None:
    """Map all but small blocks on their own, so that what is freed leaves the process at once.

    In one heap a block may fit into none of the gaps that others left, and the process grows
    beyond the sum of what it holds. Faulting the pages in again costs a little time.
    """
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_MMAP_THRESHOLD, SMALLEST_RETURNED)


def give_back_freed_memory() -> None:
    """Give the free memory of the heap back to the system, wherever in the heap it lies."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
