"""Running arm64 programs on this machine: what that needs, and namespaces that leave no trace."""

import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import psutil

TOOLS = {
    "chroot": "coreutils",
    "debootstrap": "debootstrap",
    "mount": "mount",
    "qemu-aarch64-static": "qemu-user-static",
    "unshare": "util-linux",
}
"""Commands, and the Debian packages that hold them."""

_NAMESPACES = ("--mount", "--propagation=private", "--pid", "--fork", "--kill-child")
_INSIDE = "EDGESEG_ARM64_INSIDE"
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_ENTRY = "edgeseg-aarch64"
_ELF = bytes.fromhex("7f454c460201010000000000000000000200b700")
"""Start of a 64-bit little-endian ELF file for AArch64: a program, or with 3 for 2 a library."""
_ELF_MASK = bytes.fromhex("ffffffffffffff00fffffffffffffffffeffffff")


def missing() -> str | None:
    """Say what stands in the way of emulating arm64 here; None where nothing does."""
    if platform.machine() == "aarch64":
        return "this machine is arm64 itself: make test says more"
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it needs root on Linux, for chroot and for mounts of its own"
    lacking = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if lacking:
        return f"install {' '.join(lacking)}"
    probe = ("unshare", *_NAMESPACES, "mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT)
    ran = subprocess.run(probe, capture_output=True, check=False, text=True)
    return f"binfmt_misc can't be mounted: {ran.stderr.strip()}" if ran.returncode else None


def enter() -> None:
    """Start this program again in namespaces of its own, and end as it does; there, do nothing.

    What is mounted there and which processes run there is seen nowhere else, and all of it goes
    with the first of these processes, however that ends.
    """
    if _INSIDE in os.environ:
        signal.signal(signal.SIGTERM, _interrupt)
        return
    command = ["unshare", *_NAMESPACES, "--mount-proc", sys.executable, *sys.argv]
    process = subprocess.Popen(command, env=os.environ | {_INSIDE: "1"})
    signal.signal(signal.SIGTERM, partial(_pass_on, process.pid))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the program there by itself
    sys.exit(process.wait())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _pass_on(unshare: int, number: int, _frame: FrameType | None) -> None:
    """Pass a signal to the program in the namespaces: ``unshare`` itself ignores it."""
    for child in psutil.Process(unshare).children():
        child.send_signal(number)


@contextmanager
def registered() -> Iterator[None]:
    """Let the kernel run arm64 programs while the block runs.

    The kernel opens the emulator at once, so that it is found from within a chroot too. The entry
    is the machine's, not the namespace's: one that a killed run has left is taken over.
    """
    mount("binfmt_misc", _BINFMT, "-t", "binfmt_misc")
    entry = _BINFMT / _ENTRY
    if entry.exists():
        entry.write_text("-1")
    emulator = shutil.which("qemu-aarch64-static")
    fields = ("", _ENTRY, "M", "", _escaped(_ELF), _escaped(_ELF_MASK), emulator, "F")
    (_BINFMT / "register").write_text(":".join(map(str, fields)))
    try:
        yield
    finally:
        entry.write_text("-1")


def mount(source: str | Path, target: Path, *flags: str) -> None:
    """Mount something where only this program and its children see it."""
    command = ("mount", *flags, str(source), str(target))
    subprocess.run(command, check=True)


def overlay(root: Path, workspace: Path) -> Path:
    """Return a root that begins as this one is, but keeps its changes to itself, in memory.

    Parameters
    ----------
    root
        The one that stays as it is; what is mounted in it is not seen in the other.
    workspace
        An empty folder.
    """
    mount("tmpfs", workspace, "-t", "tmpfs")
    merged, upper, work = (workspace / name for name in ("root", "changed", "work"))
    for folder in (merged, upper, work):
        folder.mkdir()
    layers = f"lowerdir={root},upperdir={upper},workdir={work}"
    mount("overlay", merged, "-t", "overlay", "-o", layers)
    mount("proc", merged / "proc", "-t", "proc")
    return merged


def _escaped(content: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in content)
