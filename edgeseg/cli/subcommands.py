"""The subcommands: found through the entry-point group, each loaded when it is asked for."""

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from edgeseg.cli.config import settle
from edgeseg.cli.fields import flag_spelling
from edgeseg.cli.options import add_common
from edgeseg.errors import Spelling, fields_spelled

GROUP = "edgeseg.commands"
SETTINGS = {"help_option_names": ["-h", "--help"]}


class Command(TyperCommand):
    """A command whose flags on the command line win over those from a file.

    Attributes
    ----------
    spelling
        How its messages name parameters of the library.
    """

    spelling: Spelling

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read its flags; errors in them name this command."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if hasattr(error, "format_message") and getattr(error, "ctx", None) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run it."""
        settle(ctx)
        with fields_spelled(self.spelling):
            return super().invoke(ctx)


class CommandGroup(TyperGroup):
    """All commands; none is imported before it is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = Subcommands(self.params)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as typer calls it
        """Return their names in order."""
        return list(self.commands)


class Subcommands(Mapping[str, Any]):
    """Commands by name; getting one imports its module.

    Parameters
    ----------
    common
        Parameters that every command gets.
    """

    def __init__(self, common: list[Any]) -> None:
        self._entries = {entry.name: entry for entry in entry_points(group=GROUP)}
        self._loaded: dict[str, Any] = {}
        self._common = common

    def __getitem__(self, name: str) -> Any:
        """Return a command."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names in order."""
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    def _load(self, name: str) -> Any:
        function = self._entries[name].load()
        alone = typer.Typer(add_completion=False)
        alone.command(name, cls=Command, context_settings=SETTINGS)(function)
        command: Any = typer.main.get_command(alone)
        command.spelling = flag_spelling(function, command.params)
        add_common(command.params, self._common)
        return command
