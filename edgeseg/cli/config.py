"""The configuration file: it gives flags that the command line does not."""

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
    """A configuration file: flags of every command at its top, and a table for each command.

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
        """Return its values for a command, by parameter.

        Raises
        ------
        UsageError
            If a table or a key is unknown, or a value is of the wrong kind.
        """
        root: Any = context.find_root()
        tables = {name: value for name, value in self.values.items() if isinstance(value, dict)}
        everywhere = {key: value for key, value in self.values.items() if key not in tables}
        self._check_tables(tables, root.command.list_commands(root))
        common = self._parameters(context, "", everywhere)
        if context is root:
            return common
        name = context.info_name or ""
        own = self._parameters(context, f"[{name}] ", tables.get(name, {}))
        # What stands before the command on the command line wins here too.
        return {
            key: value for key, value in common.items() if not _from(root, key, "COMMANDLINE")
        } | own

    def _check_tables(self, tables: Mapping[str, Any], commands: Sequence[str]) -> None:
        for name in tables:
            if name in _ELSEWHERE:
                raise UsageError(f"{self.path} has a table [{name}]: {_ELSEWHERE[name]}")
            if name not in commands:
                near = did_you_mean(name, commands)
                raise UsageError(f"{self.path} has a table [{name}], which is no command{near}")

    def _parameters(
        self, context: typer.Context, table: str, entries: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return values by parameter; keys are flags without their dashes."""
        flags = {
            option.removeprefix("--"): (parameter, option in parameter.opts)
            for parameter in context.command.params
            if parameter.param_type_name == "option" and parameter.name != "config"
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("--")
        }
        values = {}
        for key, value in entries.items():
            origin = f"{self.path}: {table}{key}"
            flag = key.replace("_", "-")
            if flag not in flags:
                raise UsageError(f"{origin} is no flag{did_you_mean(flag, flags)}")
            parameter, positive = flags[flag]
            values[parameter.name] = _value(context, parameter, value, origin, positive=positive)
        return values


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
    """Drop values of the file that exclude flags of the command line; say which others are used."""
    for groups in _RIVALS:
        typed = [any(_from(context, name, "COMMANDLINE") for name in group) for group in groups]
        for group, wins in zip(groups, typed, strict=True):
            for name in group if any(typed) and not wins else ():
                if _from(context, name, "DEFAULT_MAP"):
                    context.params[name] = None
    used = [
        name
        for name, value in context.params.items()
        if value is not None and _from(context, name, "DEFAULT_MAP")
    ]
    if used:
        detail(f"from {context.find_root().obj.path}: {', '.join(used)}")


def _from(context: Any, name: str, source: str) -> bool:
    """Tell whether a parameter's value comes from a source, as click names it."""
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
    """Return a value as the command line would give it; refuse one of another kind."""
    if parameter.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{origin} is {value!r}; give true or false")
        return value == positive
    items = value if isinstance(value, list) and parameter.multiple else [value]
    if not all(isinstance(item, str | int | float) for item in items) or bool in map(type, items):
        kind = "a list of texts" if parameter.multiple else "a text or a number"
        raise UsageError(f"{origin} is {value!r}; give {kind}")
    words = [os.path.expanduser(str(item)) for item in items]  # noqa: PTH111 - may be no path
    argument = words if parameter.multiple else words[0]
    try:
        parameter.process_value(context, argument)
    except Exception as error:
        message = getattr(error, "message", None)
        if message is None:
            raise
        message = message.removeprefix("Value error, ").rstrip(".")
        raise UsageError(f"{origin}: {message}{near_choice(message)}") from None
    return argument
