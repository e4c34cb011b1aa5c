"""Settings of a worker, from its flags and from a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgeseg.errors import UsageError
from edgeseg.text.suggestions import near_key, near_path
from edgeseg.text.units import parse_bytes

DEFAULT_FILE = Path("/etc/edgeseg/worker.toml")


class WorkerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a worker; each is a flag of ``edgeseg worker`` and a key of its file.

    Parameters
    ----------
    listen
        Endpoint, such as ``tcp://192.168.1.20:7355``.
    memory_limit
        What the process may take, such as ``512MiB``.
    cores
        How many steps run at once.
    insecure
        Listen beyond this machine without keys.
    key, authorized
        The worker's own key file, and the folder of keys that may give it orders.
    signed_by
        Public file of the key by which bundles must be signed.
    spool
        Folder for tensors that wait on disk.
    metrics
        ``HOST:PORT`` at which to serve metrics.
    log_format, verbose
        How a log line looks; True logs every order, False errors alone.
    """

    listen: str = "tcp://127.0.0.1:7355"
    memory_limit: str = "512MiB"
    cores: Annotated[int, msgspec.Meta(ge=1)] = 1
    insecure: bool = False
    key: str | None = None
    authorized: str | None = None
    signed_by: str | None = None
    spool: str | None = None
    metrics: str | None = None
    log_format: Literal["text", "json"] = "text"
    verbose: bool | None = None

    @property
    def limit(self) -> int:
        """The memory limit in bytes.

        Raises
        ------
        UsageError
            If it is no byte count.
        """
        return parse_bytes(self.memory_limit)


def worker_config(file: Path | None, flags: Mapping[str, object]) -> WorkerConfig:
    """Return the settings of a file, overridden by flags.

    Parameters
    ----------
    file
        A TOML file; by default :data:`DEFAULT_FILE`, which need not exist.
    flags
        Values by field; None for a flag that was not given.

    Raises
    ------
    UsageError
        If the file can't be read, or has an unknown key or a value of the wrong kind.
    """
    overrides = {name: value for name, value in flags.items() if value is not None}
    return msgspec.structs.replace(_read(file or DEFAULT_FILE, optional=file is None), **overrides)


def _read(path: Path, *, optional: bool) -> WorkerConfig:
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=WorkerConfig)
        parse_bytes(config.memory_limit)
    except FileNotFoundError:
        if optional:
            return WorkerConfig()
        raise UsageError(f"there is no worker's file {path}{near_path(path)}") from None
    except OSError as error:
        raise UsageError(f"can't read the worker's file {path} ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        near = near_key(error, WorkerConfig)
        raise UsageError(f"{path} is no worker's file: {error}{near}") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return config
