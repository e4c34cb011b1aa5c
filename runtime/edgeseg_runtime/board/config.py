"""How a worker is run: what its flags say, and the file that may say it instead."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgeseg.errors import UsageError
from edgeseg.text.suggestions import near_key, near_path
from edgeseg.text.units import parse_bytes

DEFAULT_FILE = Path("/etc/edgeseg/worker.toml")


class WorkerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a worker is run; every field is a flag of ``edgeseg worker`` and a key of its file."""

    listen: str = "tcp://127.0.0.1:7355"
    memory_limit: str = "512MiB"
    cores: Annotated[int, msgspec.Meta(ge=1)] = 1
    insecure: bool = False
    key: str | None = None
    authorized: str | None = None
    spool: str | None = None
    metrics: str | None = None
    log_format: Literal["text", "json"] = "text"
    verbose: bool | None = None
    """Log every order, or (False) errors alone."""

    @property
    def limit(self) -> int:
        """Bytes that the process may take.

        Raises
        ------
        UsageError
            If the memory limit is no byte count.
        """
        return parse_bytes(self.memory_limit)


def worker_config(file: Path | None, flags: Mapping[str, object]) -> WorkerConfig:
    """Return what the file says, overridden by the flags that were given.

    Parameters
    ----------
    file
        A TOML file; without one :data:`DEFAULT_FILE` is read if it is there.
    flags
        Values by field; None where a flag was not given.

    Raises
    ------
    UsageError
        If the file can't be read, or has an unknown key or a value of the wrong kind.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    return msgspec.structs.replace(_read(file or DEFAULT_FILE, optional=file is None), **given)


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
