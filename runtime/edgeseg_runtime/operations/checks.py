"""Checks whether a machine can be a board: pure functions of what was read there."""

import stat
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from edgeseg.boards.boards_file import WORKER_BASE
from edgeseg.errors import field_name
from edgeseg.text.units import MIB, format_bytes

Status: TypeAlias = Literal["ok", "warn", "fail"]

NOT_TOLD = "this machine does not tell"
PYTHONS = (3, 10), (3, 13)
EARLIEST_YEAR = 2025
"""The clock of a board without battery starts long before this."""

WARM, HOT = 70.0, 80.0
"""A Raspberry Pi lowers its clock from 80 degrees Celsius on."""

LEAST_DISK = 256 * MIB
SWAPPED = 64 * MIB
_LOW_VOLTAGE, _SLOWED = 0x1, 0xE
_EVER = 16
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Finding(msgspec.Struct, frozen=True):
    """What was found, and what to do about it unless it is ok."""

    check: str
    status: Status
    found: str
    advice: str = ""


def operating_system(system: str, machine: str, bits: int) -> Finding:
    """Check for Linux and a Python of 64 bits; a 64-bit kernel alone is not enough."""
    state = f"{system} {machine}, {bits}-bit Python"
    if system != "Linux":
        return Finding("system", "fail", state, "edgeseg's workers need Linux")
    if bits != 64:
        return Finding("system", "fail", state, "install the 64-bit image of the system")
    return Finding("system", "ok", state)


def python(version: tuple[int, int], packages: Mapping[str, str | None]) -> Finding:
    """Check Python and that every package is there; versions by name, None where missing."""
    missing = [name for name, installed in packages.items() if installed is None]
    state = ", ".join(
        [f"Python {version[0]}.{version[1]}", *(f"{n} {v}" for n, v in packages.items() if v)]
    )
    if not PYTHONS[0] <= version <= PYTHONS[1]:
        return Finding("python", "fail", state, "install Python 3.10 to 3.13")
    if missing:
        return Finding("python", "fail", state, f"run: pip install {' '.join(missing)}")
    return Finding("python", "ok", state)


def memory(limit: int, total: int, available: int, group: int | None) -> Finding:
    """Check that the memory limit is within what the machine and its control group have.

    Parameters
    ----------
    limit, total, available
        Bytes: the worker's limit, the machine's memory, and what of it is free.
    group
        The limit of the control group in bytes; None without one.
    """
    state = f"limit {format_bytes(limit)} of {format_bytes(total)}, {format_bytes(available)} free"
    if group is not None and group < total:
        state += f", {format_bytes(group)} for this group of processes"
    if limit < WORKER_BASE:
        need = (
            f"a worker takes {format_bytes(WORKER_BASE)} itself; raise {field_name('memory_limit')}"
        )
        return Finding("memory", "fail", state, need)
    if limit > min(total, group or total):
        return Finding(
            "memory", "fail", state, f"it would be killed; lower {field_name('memory_limit')}"
        )
    if limit > available:
        return Finding(
            "memory", "warn", state, f"stop other programs or lower {field_name('memory_limit')}"
        )
    return Finding("memory", "ok", state)


def swap(total: int, used: int) -> Finding:
    """Check that next to no memory is swapped out; ``total`` and ``used`` are bytes of swap."""
    state = f"{format_bytes(used)} of {format_bytes(total)} in use" if total else "none"
    if used > SWAPPED:
        return Finding("swap", "warn", state, "pieces would wait for the disk; stop other programs")
    return Finding("swap", "ok", state)


def disk(folder: str, free: int | None) -> Finding:
    """Check that pieces can be stored: ``free`` bytes, None where the folder can't be written."""
    if free is None:
        advice = "make it writable or set XDG_CACHE_HOME"
        return Finding("disk", "fail", f"{folder} can't be written", advice)
    state = f"{format_bytes(free)} free in {folder}"
    if free < LEAST_DISK:
        return Finding("disk", "warn", state, "free some space: pieces are kept there")
    return Finding("disk", "ok", state)


def temperature(celsius: float | None) -> Finding:
    """Check that the machine is not hot before any work."""
    if celsius is None:
        return Finding("temperature", "ok", NOT_TOLD)
    state = f"{celsius:.0f} °C"
    if celsius >= HOT:
        return Finding("temperature", "fail", state, "cool it: the clock is lowered when hot")
    if celsius >= WARM:
        return Finding("temperature", "warn", state, "cool it: work will make it hotter")
    return Finding("temperature", "ok", state)


def throttling(flags: int | None) -> Finding:
    """Check a Raspberry Pi's throttling flags: bits 0-3 are of now, bits 16-19 since the boot."""
    if flags is None:
        return Finding("throttling", "ok", NOT_TOLD)
    for when, bits in (("now", flags), ("since the boot", flags >> _EVER)):
        status: Status = "fail" if when == "now" else "warn"
        if bits & _LOW_VOLTAGE:
            advice = "use the power supply made for this board"
            return Finding("throttling", status, f"too little voltage {when}", advice)
        if bits & _SLOWED:
            return Finding("throttling", status, f"clock lowered {when}", "cool it")
    return Finding("throttling", "ok", "never since the boot")


def clock(year: int, synchronized: bool | None) -> Finding:
    """Check that the clock is set: times in logs and reports depend on it."""
    states = {True: "synchronised", False: "not synchronised", None: "synchronised? not told"}
    state = f"the year {year}, {states[synchronized]}"
    if year < EARLIEST_YEAR:
        return Finding("clock", "fail", state, "set the clock: timedatectl set-ntp true")
    if synchronized is False:
        return Finding("clock", "warn", state, "synchronise it: timedatectl set-ntp true")
    return Finding("clock", "ok", state)


def governor(name: str | None) -> Finding:
    """Check that the cores may use their full clock."""
    if name is None:
        return Finding("governor", "ok", NOT_TOLD)
    if name == "powersave":
        return Finding("governor", "warn", name, "choose another: cpupower frequency-set -g")
    return Finding("governor", "ok", name)


def port(endpoint: str, error: str | None, taken: bool) -> Finding:
    """Check that a worker can listen at its endpoint.

    Parameters
    ----------
    endpoint
        Where the worker is to listen.
    error
        Why that fails, or None.
    taken
        Whether another process listens there.
    """
    if taken:
        advice = "fine if that is the worker itself; else choose another port"
        return Finding("port", "warn", f"{endpoint} is in use", advice)
    if error is not None:
        return Finding(
            "port", "fail", f"{endpoint}: {error}", f"choose another {field_name('listen')}"
        )
    return Finding("port", "ok", f"{endpoint} is free")


def keys(local: bool, insecure: bool, problem: str | None, authorized: int | None) -> Finding:
    """Check who may connect to the worker.

    Parameters
    ----------
    local, insecure
        Whether the worker listens on this machine alone, and whether it runs without keys.
    problem
        What is wrong with its key or folder, or None.
    authorized
        How many public keys are authorized; None where keys are not used.
    """
    if problem is not None:
        return Finding("keys", "fail", problem, "see edgeseg keygen --help")
    if authorized is not None:
        state = f"a key of its own, {authorized} may come"
        advice = "put a coordinator's public key into the authorized folder"
        return Finding("keys", "ok" if authorized else "fail", state, "" if authorized else advice)
    if local:
        return Finding("keys", "ok", "none; it listens on this machine alone")
    advice = "make keys with edgeseg keygen"
    return Finding("keys", "warn" if insecure else "fail", "none; anybody could come", advice)


def protected(path: str, mode: int) -> str | None:
    """Return what is wrong with the mode of a folder of public keys, or None."""
    if mode & _OTHERS_WRITE:
        return f"{path} can be written by others (mode {mode & 0o777:o}); run chmod go-w"
    return None


def trial(engine: str, seconds: float, flops: float, worst_error: float) -> Finding:
    """Check a timed run of the probe piece.

    Parameters
    ----------
    engine
        The name of the inference engine.
    seconds, flops
        How long a run took, and how many FLOPs it has.
    worst_error
        The largest deviation of its output from what is known to be right.
    """
    rate = flops / seconds / 1e9
    state = f"{engine}: {seconds * 1e3:.2f} ms, {rate:.1f} GFLOP/s on one core"
    if not worst_error < 1e-4:
        return Finding("engine", "fail", state, "its results are wrong; install it anew")
    return Finding("engine", "ok", state)
