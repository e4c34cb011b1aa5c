"""``{command-options} NAME``: usage and options of a command, as the program itself knows them."""

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from edgeseg.cli.main import application

HEAD = ("", "default", "what it does")
WIDTHS = (34, 14, 52)
PLACEHOLDERS = {
    "name": "NAME",
    "memory_limit": "SIZE",
    "board": "ENDPOINT",
    "listen": "ENDPOINT",
    "patience": "TIME",
    "time_limit": "SECONDS",
}
"""What is given for parameters that the program itself calls by their types alone."""


class CommandOptions(SphinxDirective):
    """Insert the usage line and a table of the arguments and options of one command.

    Without an argument: the options that every command has.
    """

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the usage as a literal block, and the table."""
        root = application()
        if not self.arguments:
            return [table(shared(root.params))]
        name = self.arguments[0]
        if name not in root.commands:
            raise self.error(f"edgeseg has no command {name!r}")
        command = root.commands[name]
        common = {parameter.name for parameter in shared(command.params)}
        own = [one for one in command.params if one.name not in common]
        line = usage(name, own)
        return [nodes.literal_block(line, line, language="text"), table(own)]


def shared(parameters: Sequence[Any]) -> list[Any]:
    """Return the options that every command has, out of the parameters of one."""
    return [one for one in parameters if getattr(one, "rich_help_panel", None) is not None]


def usage(name: str, parameters: Sequence[Any]) -> str:
    """Return the line that says how a command is called.

    Parameters
    ----------
    name
        The command.
    parameters
        Its own arguments and options.
    """
    words = [flags(one, first=True) for one in parameters if one.required]
    arguments = [flags(one) for one in parameters if kind(one) == "argument" and not one.required]
    return " ".join(["edgeseg", name, *words, *(f"[{word}]" for word in arguments), "[OPTIONS]"])


def kind(parameter: Any) -> str:
    """Return ``argument`` or ``option``."""
    word: str = parameter.param_type_name
    return word


def flags(parameter: Any, *, first: bool = False) -> str:
    """Return how a parameter is written: ``-o, --output BUNDLE``, or ``MODEL``.

    Parameters
    ----------
    parameter
        An argument or option as typer knows it.
    first
        Whether one spelling is enough.
    """
    takes = metavar(parameter)
    if kind(parameter) == "argument":
        return takes
    spellings = sorted([*parameter.opts, *parameter.secondary_opts], key=len)
    if first:
        spellings = spellings[:1]
    return f"{', '.join(spellings)} {takes}".rstrip()


def metavar(parameter: Any) -> str:
    """Return the placeholder of a parameter's value, empty for a switch."""
    kind_of_value = parameter.type_descriptor.annotation
    if kind_of_value is bool:
        return ""
    if isinstance(kind_of_value, type) and issubclass(kind_of_value, Enum):
        return "|".join(str(choice.value) for choice in kind_of_value)
    if parameter.metavar:
        return str(parameter.metavar)
    return "PATH" if kind_of_value in {Path, list[Path]} else PLACEHOLDERS.get(parameter.name, "N")


def default(parameter: Any) -> str:
    """Return what holds where a parameter is not given, empty where nothing does."""
    if parameter.required:
        return "required"
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return shown
    value = parameter.default
    if value is None or isinstance(value, bool) or callable(value) or value == ():
        return ""
    return str(getattr(value, "value", value))


def table(parameters: Sequence[Any]) -> nodes.Node:
    """Return a table with a row a parameter.

    Parameters
    ----------
    parameters
        Arguments and options; hidden ones are left out.
    """
    group = nodes.tgroup(cols=len(HEAD))
    group += [nodes.colspec(colwidth=width) for width in WIDTHS]
    group += nodes.thead("", row([nodes.Text(title)] for title in HEAD))
    group += nodes.tbody("", *(row(cells(one)) for one in parameters if not is_hidden(one)))
    return nodes.table("", group, classes=["command-options"])


def is_hidden(parameter: Any) -> bool:
    """Return whether ``--help`` does not show a parameter, or shows it with every command."""
    return bool(getattr(parameter, "hidden", False)) or parameter.name == "help"


def cells(parameter: Any) -> Iterator[list[nodes.Node]]:
    """Yield what stands in the cells of a parameter's row."""
    text = flags(parameter)
    yield [nodes.literal(text, text)]
    value = default(parameter)
    yield [nodes.literal(value, value)] if value not in {"", "required"} else [nodes.Text(value)]
    yield [nodes.Text(parameter.help or "")]


def row(contents: Any) -> nodes.Node:
    """Return a row of a table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in contents))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("command-options", CommandOptions)
    return {"parallel_read_safe": True}
