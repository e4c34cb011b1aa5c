"""Checks whether this machine can be a board, and says what to do where it can't."""

import errno
import os
import platform
import shutil
import socket
import struct
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from edgeseg.errors import EdgesegError
from edgeseg.files.cache import cache_folder
from edgeseg.inference.engine import engine_name
from edgeseg.memory_limit import cgroup_limit
from edgeseg_runtime import machine
from edgeseg_runtime.board.config import WorkerConfig, worker_config
from edgeseg_runtime.messaging.endpoints import is_local, normalize_endpoint
from edgeseg_runtime.messaging.keys import key_paths, read_authorized, read_keys
from edgeseg_runtime.operations import checks
from edgeseg_runtime.operations.checks import Finding
from edgeseg_runtime.operations.trial import PROBE_FLOPS, time_bundle, time_probe

PACKAGES = ("edgeseg", "numpy", "msgspec", "pyzmq", "psutil", "zstandard", "nibabel", "scipy")
"""What workers and coordinators need beside an inference engine, which has its own check."""


def diagnose(config: WorkerConfig | None = None, bundle: Path | None = None) -> tuple[Finding, ...]:
    """Check whether this machine can be a board.

    Parameters
    ----------
    config
        How the worker of this board is to be run; by default as ``/etc/edgeseg/worker.toml`` says.
    bundle
        If given, its pieces are timed as well.

    Raises
    ------
    UsageError
        If the configured endpoint or memory limit is none, or the worker's file can't be read.
    """
    return tuple(_findings(config or worker_config(None, {}), bundle))


def _findings(config: WorkerConfig, bundle: Path | None) -> Iterator[Finding]:
    yield checks.operating_system(platform.system(), platform.machine(), struct.calcsize("P") * 8)
    yield checks.python(sys.version_info[:2], {name: _version(name) for name in PACKAGES})
    yield _engine()
    if bundle is not None:
        yield _bundle(bundle)
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield checks.memory(config.limit, memory.total, memory.available, cgroup_limit())
    yield checks.swap(swap.total, swap.used)
    yield _disk()
    yield checks.temperature(machine.temperature())
    yield checks.throttling(machine.throttled())
    yield checks.governor(machine.governor())
    yield checks.clock(time.localtime().tm_year, machine.clock_synchronized())
    yield _port(normalize_endpoint(config.listen))
    yield _keys(config)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _engine() -> Finding:
    try:
        timing, engine = time_probe(), engine_name()
    except EdgesegError as error:
        return Finding("engine", "fail", str(error), "install edgeseg anew")
    return checks.trial(engine, timing.seconds, PROBE_FLOPS, timing.worst_error)


def _bundle(path: Path) -> Finding:
    try:
        seconds = time_bundle(path)
    except EdgesegError as error:
        return Finding("bundle", "fail", str(error), "convert the model again")
    return Finding("bundle", "ok", f"{path.name}: {seconds * 1e3:.0f} ms a slice on one core")


def _disk() -> Finding:
    try:
        folder = cache_folder("pieces")
    except EdgesegError as error:
        return checks.disk(str(error), None)
    free = shutil.disk_usage(folder).free if os.access(folder, os.W_OK) else None
    return checks.disk(str(folder), free)


def _port(endpoint: str) -> Finding:
    host, _, number = endpoint.removeprefix("tcp://").rpartition(":")
    if endpoint.startswith("ipc://") or number == "*":
        return checks.port(endpoint, None, taken=False)
    host = host.strip("[]").replace("*", "0.0.0.0")  # noqa: S104 what the worker would do
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, int(number)))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return checks.port(endpoint, reason, taken=error.errno == errno.EADDRINUSE)
    return checks.port(endpoint, None, taken=False)


def _keys(config: WorkerConfig) -> Finding:
    local = is_local(normalize_endpoint(config.listen))
    problem, authorized = None, None
    if config.key is not None or config.authorized is not None:
        try:
            authorized = _authorized(config)
        except (EdgesegError, OSError) as error:
            problem = str(error)
    return checks.keys(local, config.insecure, problem, authorized)


def _authorized(config: WorkerConfig) -> int:
    """Return how many public keys are authorized; an error says what is wrong."""
    file, folder = key_paths(config.key, config.authorized)
    read_keys(file)
    problem = checks.protected(str(folder), folder.stat().st_mode)
    if problem is not None:
        raise EdgesegError(problem)
    return len(read_authorized(folder))
