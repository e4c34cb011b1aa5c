"""The ``edgeseg`` command: finds its subcommands through the entry-point group and runs them."""

import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from edgeseg import __version__
from edgeseg.errors import EdgesegError
from edgeseg.terminal import RESEARCH_NOTE, console, messages

GROUP = "edgeseg.commands"
INTERRUPTED = 130
_MOST_CHARACTERS = 2000


def application() -> typer.Typer:
    """Assemble the command line from every installed subcommand.

    Modules of commands import nothing heavy, so that ``--help`` stays instant.
    """
    app = typer.Typer(
        name="edgeseg",
        help=f"Compile a trained Keras U-Net into TFLite pieces and segment CT with them on "
        f"several small boards. {RESEARCH_NOTE}.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_options)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        app.command(entry.name)(entry.load())
    return app


def main() -> None:
    """Run the command line; every error ends in one line and its exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        code = application()(arguments or ["--help"], prog_name="edgeseg", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        _fail(*_explain(error))
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, EdgesegError):
        return _one_line(str(error)), error.exit_code
    usage = getattr(error, "format_message", None)
    if usage is not None:
        return f"{usage().rstrip('.')}. See --help.", 2
    return f"unexpected {type(error).__name__}: {error}; --debug shows where", 1


def _one_line(text: str) -> str:
    """Keep what a terminal shows as it is: a name in an error may come from elsewhere."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:_MOST_CHARACTERS]


def _fail(text: str, code: int) -> None:
    messages.print(f"edgeseg: {text}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"edgeseg {__version__}")
        raise typer.Exit


def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; works anywhere.")
    ] = False,
) -> None:
    pass
