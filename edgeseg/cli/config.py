"""The file that flags are taken from where the command line does not give them."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from edgeseg.errors import UsageError
from edgeseg.output.terminal import detail
from edgeseg.text.suggestions import did_you_mean, near_choice, near_path

_ELSEWHERE = {
    "worker": "the flags of a worker stand in /etc/edgeseg/worker.toml, or in its own --config",
    "doctor": "edgeseg doctor reads the file of the worker, /etc/edgeseg/worker.toml",
}
"""Commands without a table, and why."""

_RIVALS = (
    ({"local", "memory_limit"}, {"board"}, {"boards"}),
    ({"recipe"}, {"prune_ratio", "quantize"}),
)
"""Groups of flags that exclude each other."""


@dataclass(frozen=True)
class ConfigFile:
    """What a file says: flags of every command at its top, and a table a command.

    Attributes
    ----------
    path
        Where it is.
    values
        Its contents.
    """

    path: Path
    values: Mapping[str, Any]

    def defaults(self, context: typer.Context) -> dict[str, Any]:
        """Return what it says for a command, by parameter.

        Raises
        ------
        UsageError
            If a table or a key is unknown, or a value is of the wrong kind.
        """
        root: Any = context.find_root()
        tables = {name: value for name, value in self.values.items() if isinstance(value, dict)}
        everywhere = {key: value for key, value in self.values.items() if key not in tables}
        self._check_tables(tables, root.command.list_commands(root))
        found = self._parameters(context, "", everywhere)
        if context is root:
            return found
        name = context.info_name or ""
        own = self._parameters(context, f"[{name}] ", tables.get(name, {}))
        # What stands before the command on the command line wins here too.
        return {
            key: value for key, value in found.items() if not _from(root, key, "COMMANDLINE")
        } | own

    def _check_tables(self, tables: Mapping[str, Any], commands: Sequence[str]) -> None:
        for name in tables:
            if name in _ELSEWHERE:
                raise UsageError(f"{self.path} has a table [{name}]: {_ELSEWHERE[name]}")
            if name not in commands:
                near = did_you_mean(name, commands)
                raise UsageError(f"{self.path} has a table [{name}], which is no command{near}")

    def _parameters(
        self, context: typer.Context, table: str, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return values by parameter; keys are flags without their dashes."""
        flags = {
            option.removeprefix("--"): (parameter, option in parameter.opts)
            for parameter in context.command.params
            if parameter.param_type_name == "option" and parameter.name != "config"
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("--")
        }
        found = {}
        for key, value in given.items():
            origin = f"{self.path}: {table}{key}"
            flag = key.replace("_", "-")
            if flag not in flags:
                raise UsageError(f"{origin} is no flag{did_you_mean(flag, flags)}")
            parameter, positive = flags[flag]
            found[parameter.name] = _value(context, parameter, value, origin, positive=positive)
        return found


def config_file(path: Path | None) -> ConfigFile | None:
    """Read a file, or the user's own where none is named and there is one.

    Raises
    ------
    UsageError
        If it can't be read or is no TOML.
    """
    place = path or _own()
    if place is None:
        return None
    import msgspec

    try:
        return ConfigFile(place, msgspec.toml.decode(place.read_bytes()))
    except FileNotFoundError:
        raise UsageError(f"there is no file {place}{near_path(place)}") from None
    except OSError as error:
        raise UsageError(f"can't read {place} ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{place} is no TOML: {error}") from None


def settle(context: typer.Context) -> None:
    """Forget what a file says against flags of the command line; tell what else it gave."""
    for groups in _RIVALS:
        given = [any(_from(context, name, "COMMANDLINE") for name in group) for group in groups]
        for group, wins in zip(groups, given, strict=True):
            for name in group if any(given) and not wins else ():
                if _from(context, name, "DEFAULT_MAP"):
                    context.params[name] = None
    taken = [
        name
        for name, value in context.params.items()
        if value is not None and _from(context, name, "DEFAULT_MAP")
    ]
    if taken:
        detail(f"from {context.find_root().obj.path}: {', '.join(taken)}")


def _from(context: Any, name: str, source: str) -> bool:
    """Tell whether a parameter's value comes from there."""
    origin = context.get_parameter_source(name)
    return origin is not None and origin.name == source


def _own() -> Path | None:
    """Return the user's own file if there is one; a home that is closed to the user has none."""
    with suppress(OSError, RuntimeError):
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
        file = folder / "edgeseg" / "config.toml"
        return file if file.exists() else None
    return None


def _value(
    context: typer.Context, parameter: Any, value: Any, origin: str, *, positive: bool
) -> Any:
    """Return a value as the command line would have it, after a look whether it is of its kind."""
    if parameter.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{origin} is {value!r}; give true or false")
        return value == positive
    given = value if isinstance(value, list) and parameter.multiple else [value]
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in given):
        kind = "a list of texts" if parameter.multiple else "a text or a number"
        raise UsageError(f"{origin} is {value!r}; give {kind}")
    words = [os.path.expanduser(str(one)) for one in given]  # noqa: PTH111 - may be no path
    wanted = words if parameter.multiple else words[0]
    try:
        parameter.process_value(context, wanted)
    except Exception as error:
        said = getattr(error, "message", None)
        if said is None:
            raise
        said = said.removeprefix("Value error, ").rstrip(".")
        raise UsageError(f"{origin}: {said}{near_choice(said)}") from None
    return wanted
