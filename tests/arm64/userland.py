"""A Debian userland for arm64 with the project's wheel in it, made once and kept."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emulation import mount
from packaging.requirements import Requirement

from edgeseg.errors import EdgesegError
from edgeseg.output.terminal import messages, working

SUITE = "bookworm"
PYTHON = "/opt/edgeseg/bin/python"
"""The environment of the wheel, within the userland."""

_PROJECT = Path(__file__).parents[2]
_PACKAGES = "python3,python3-venv,libstdc++6"
_TARGET = {"python_version": "3.11", "python_full_version": "3.11.2", "platform_machine": "aarch64"}
_GLIBC_MINORS = range(17, 37)
"""Wheels for any of these glibc 2.x run on bookworm's 2.36."""
_ENVIRONMENT = ("HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")


def folder() -> Path:
    """Return where the userland is kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("EDGESEG_ARM64") or Path(cache) / "edgeseg-arm64").absolute()


def command(root: Path, *words: object) -> list[str]:
    """Return the command that runs these words in the userland, without this environment."""
    return ["chroot", str(root), "/usr/bin/env", "-i", *_ENVIRONMENT, *map(str, words)]


@contextmanager
def locked(kept: Path) -> Iterator[None]:
    """Keep other runs out of the folder while the block runs; waits for one that is there."""
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ready(kept: Path) -> Path:
    """Bring the userland up to date, and return its root; minutes at first, seconds later.

    Raises
    ------
    EdgesegError
        If one of the steps fails; its log says why.
    """
    log = kept / "log.txt"
    log.write_text("")
    root, wheels = kept / "root", kept / "wheels"
    if not root.exists():
        _bootstrap(root, log)
    mount("proc", root / "proc", "-t", "proc")
    _install(root, wheels, log)
    return root


def _bootstrap(root: Path, log: Path) -> None:
    part = root.with_name("root.part")
    shutil.rmtree(part, ignore_errors=True)
    flags = ("--arch=arm64", "--variant=minbase", f"--include={_PACKAGES}")
    with _step(f"making Debian {SUITE} for arm64"):
        _run(log, "debootstrap", *flags, SUITE, part, *_mirror())
    part.rename(root)


def _mirror() -> list[str]:
    """Return the mirror this machine takes Debian from, or nothing: debootstrap knows one too."""
    question = ("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)")
    ran = subprocess.run(question, capture_output=True, check=False, text=True)
    answers = [line.split() for line in ran.stdout.splitlines()]
    found = [answer[2] for answer in answers if answer[:2] == [SUITE, "main"]]
    return found[:1] if ran.returncode == 0 else []


def _install(root: Path, wheels: Path, log: Path) -> None:
    """Install the project's wheel, and before it what it needs where that has changed."""
    stamp, key = root / "opt" / "dependencies", _dependencies()
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--no-index", "--no-compile")
    current = stamp.exists() and stamp.read_text() == key
    if not current:
        shutil.rmtree(wheels, ignore_errors=True)
    wheel = _build(wheels, log)
    if not current:
        _download(wheel, log)
    mount(wheels, root / "mnt", "--bind")
    if not current:
        with _step("installing the wheels within"):
            _run(log, *command(root, "python3", "-m", "venv", "--clear", Path(PYTHON).parents[1]))
            _run(log, *command(root, *pip, "--find-links", "/mnt", f"/mnt/{wheel.name}"))
        stamp.write_text(key)
    else:
        with _step("installing the project's wheel within"):
            replace = ("--no-deps", "--force-reinstall")
            _run(log, *command(root, *pip, *replace, f"/mnt/{wheel.name}"))


def _dependencies() -> str:
    content = [(_PROJECT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"".join(content)).hexdigest()


def _build(wheels: Path, log: Path) -> Path:
    for old in wheels.glob("edgeseg-*.whl"):
        old.unlink()
    with _step("building the wheel"):
        _run(log, *_pip("wheel"), "--no-deps", "--wheel-dir", wheels, _PROJECT)
    (wheel,) = wheels.glob("edgeseg-*.whl")
    return wheel


def _download(wheel: Path, log: Path) -> None:
    """Fetch what the wheel needs on arm64, from wherever this machine takes packages."""
    versions = wheel.with_name("constraints.txt")
    versions.write_text("".join(f"{line}\n" for line in _constraints()))
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in _GLIBC_MINORS]
    flags = ("--only-binary=:all:", "--implementation=cp", "--python-version=3.11", *platforms)
    with _step("downloading wheels for arm64"):
        _run(log, *_pip("download"), *flags, "-c", versions, "-d", wheel.parent, wheel)


def _constraints() -> Iterator[str]:
    """Yield the versions that hold on the userland's Python, which need not be this one."""
    for line in (_PROJECT / "constraints.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(_TARGET):
                yield f"{requirement.name}{requirement.specifier}"


def _pip(verb: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pip", verb, "--quiet")


def _run(log: Path, *words: object) -> None:
    with log.open("a") as out:
        ran = subprocess.run(list(map(str, words)), check=False, stdout=out, stderr=out)
    if ran.returncode:
        said = log.read_text().strip().splitlines() or ["not a word"]
        raise EdgesegError(f"{_first(words)} failed, see {log}: {said[-1]}")


def _first(words: Sequence[object]) -> str:
    return Path(str(words[0])).name


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what goes on, and afterwards how long it took."""
    start = time.monotonic()
    with working(what):
        yield
    messages.print(f"{what}: {time.monotonic() - start:.0f} s")
