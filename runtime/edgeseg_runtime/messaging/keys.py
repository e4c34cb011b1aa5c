"""CURVE key pairs, which identify machines, and the files that hold them."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import zmq

from edgeseg.boards.boards_file import PublicKey
from edgeseg.errors import UsageError, field_name
from edgeseg.files.key_files import read_public_file, read_secret_file, write_key_files

SECRET, PUBLIC = ".key", ".pub"
"""Endings of the two files' names."""

DEFAULT_NAME = "edgeseg"

SLOW_KEYPAIR_SECONDS = 1e-3
"""libsodium needs 12 us on a PC and below 0.3 ms on a Pi 4, TweetNaCl milliseconds on either."""

_REMEDY = "make one with edgeseg keygen"


@dataclass(frozen=True)
class KeyPair:
    """A machine's public and secret key, 32 bytes each in Z85."""

    public: str
    secret: str = field(repr=False)


class _SecretKeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    public_key: PublicKey
    secret_key: PublicKey


class _PublicKeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    public_key: PublicKey


def make_keys() -> KeyPair:
    """Make a key pair.

    Raises
    ------
    UsageError
        If ZeroMQ was built without CURVE.
    """
    check_curve()
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def write_keys(keys: KeyPair, name: str, folder: Path) -> tuple[Path, Path]:
    """Write ``NAME.key``, which only its owner can read, and ``NAME.pub``; return their paths.

    Raises
    ------
    OutputError
        If they can't be written, or a key of that name exists: none is ever replaced.
    """
    secret, public = folder / f"{name}{SECRET}", folder / f"{name}{PUBLIC}"
    pair = f'public_key = "{keys.public}"\n'
    note = f"# The secret key of {name}: it stays on this machine.\n"
    write_key_files(
        secret,
        f'{note}{pair}secret_key = "{keys.secret}"\n',
        public,
        f"# The public key of {name}: anybody may read it.\n{pair}",
    )
    return secret, public


def read_keys(path: Path) -> KeyPair:
    """Read a key pair from a secret file.

    Raises
    ------
    UsageError
        If the file is missing, no key, or can be read by others than its owner.
    """
    file = read_secret_file(path, _SecretKeyFile, _REMEDY)
    if _public_of(file.secret_key) != file.public_key:
        raise UsageError(f"the two keys in {path} are no pair; make new ones with edgeseg keygen")
    return KeyPair(file.public_key, file.secret_key)


def read_public_key(path: Path) -> str:
    """Read a public key.

    Raises
    ------
    UsageError
        If the file is missing or no public key.
    """
    return read_public_file(path, _PublicKeyFile, _REMEDY).public_key


def own_keys(path: Path | None) -> KeyPair | None:
    """Return this machine's key pair, or None if it has none.

    Parameters
    ----------
    path
        Its secret file; by default ``edgeseg.key`` in :func:`key_folder`, which need not exist.

    Raises
    ------
    UsageError
        As :func:`read_keys`.
    """
    default = key_folder() / f"{DEFAULT_NAME}{SECRET}"
    if path is None and not default.exists():
        return None
    return read_keys(path or default)


def key_folder() -> Path:
    """Return ``~/.config/edgeseg`` (``XDG_CONFIG_HOME`` is heeded)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "edgeseg"


def key_paths(key: str | None, authorized: str | None) -> tuple[Path, Path]:
    """Return a worker's secret file, and the folder with the keys that may give it orders.

    Parameters
    ----------
    key
        The secret file.
    authorized
        The folder; by default ``authorized`` beside the key.

    Raises
    ------
    UsageError
        If the worker has no key.
    """
    if key is None:
        raise UsageError(
            f"{field_name('authorized')} needs {field_name('key')}, this worker's own; see "
            "edgeseg keygen"
        )
    path = Path(key)
    return path, Path(authorized) if authorized else path.parent / "authorized"


def read_authorized(folder: Path) -> frozenset[str]:
    """Return the keys in a folder of public files; a file that is no key is ignored.

    A machine is authorized by adding a file, and its authorization is revoked by removing it.
    """
    keys = set()
    # A folder that can't be read authorizes nobody, and must not end the worker.
    with suppress(OSError):
        for path in folder.glob(f"*{PUBLIC}"):
            with suppress(UsageError):
                keys.add(read_public_key(path))
    return frozenset(keys)


def check_curve() -> None:
    """Make sure that ZeroMQ can encrypt, and not so slowly that strangers could keep it busy.

    Without libsodium ZeroMQ falls back on TweetNaCl, some fifty times slower. If libsodium is no
    file of its own, the time of making a key pair, one multiplication on the curve, tells.

    Raises
    ------
    UsageError
        If it can't.
    """
    if not zmq.has("curve"):
        raise UsageError("this ZeroMQ was built without CURVE; install pyzmq from its own wheel")
    if not _maps_sodium() and _keypair_seconds() > SLOW_KEYPAIR_SECONDS:
        raise UsageError(
            "this ZeroMQ encrypts by its slow fallback; install pyzmq from its own wheel, "
            "which brings libsodium"
        )


def _public_of(secret: str) -> str | None:
    try:
        return zmq.curve_public(secret.encode()).decode()
    except zmq.ZMQError:  # a group of five characters above 32 bits
        return None


def _maps_sodium() -> bool:
    try:
        return "libsodium" in Path("/proc/self/maps").read_text(encoding="utf-8")
    except OSError:
        return False


def _keypair_seconds() -> float:
    """Return the seconds of the fastest of five key pairs, whatever else the machine does."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        zmq.curve_keypair()
        times.append(time.perf_counter() - start)
    return min(times)
