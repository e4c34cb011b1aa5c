"""The ``edgeseg`` command: runs its subcommands, and ends every error in one line."""

import signal
import sys
import threading
import time
from io import TextIOWrapper
from itertools import pairwise
from typing import Any, NoReturn

# All else is imported within main: an interrupt at that moment must end in one line as well.

INTERRUPTED = 130
_IMPATIENCE_SECONDS = 5.0
"""A second interrupt within this time is the first one again: what is cleaned up goes on."""
_MOST_CHARACTERS = 2000


def main() -> None:
    """Run the command line; every error ends in one line and its exit code."""
    words = sys.argv[1:]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # not every terminal can show every name
    _end_like_an_interrupt()
    try:
        # Set before the command line is read, so that errors in it are written this way too.
        if "--log-format=json" in words or ("--log-format", "json") in pairwise(words):
            _voice().form = "json"
        code = application().main(words or ["--help"], prog_name="edgeseg", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if "--debug" in words:
            raise
        _fail(*_explain(error))
    if code == INTERRUPTED:
        _fail("interrupted", INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _end_like_an_interrupt() -> None:
    """Have SIGTERM end a command as Ctrl-C does, and one of several signals in a row count."""
    last = -_IMPATIENCE_SECONDS

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _IMPATIENCE_SECONDS:
            last = now
            raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, interrupt)


def application() -> Any:
    """Assemble the command line; modules of commands are imported when they are asked for."""
    import typer

    from edgeseg.cli.options import global_options
    from edgeseg.cli.subcommands import SETTINGS, CommandGroup
    from edgeseg.output.terminal import RESEARCH_NOTE

    app = typer.Typer(
        name="edgeseg",
        cls=CommandGroup,
        help=f"Compile a trained Keras U-Net into TFLite pieces and segment CT with them on "
        f"several small boards. {RESEARCH_NOTE}.",
        context_settings=SETTINGS,
    )
    app.callback()(global_options)
    return typer.main.get_command(app)


def _explain(error: Exception) -> tuple[str, int]:
    from edgeseg.errors import EdgesegError
    from edgeseg.text.suggestions import near_choice

    if isinstance(error, EdgesegError):
        return _one_line(str(error)), error.exit_code
    usage = getattr(error, "format_message", None)
    if usage is None:
        return f"unexpected {type(error).__name__}: {error}; --debug shows where", 1
    context = getattr(error, "ctx", None)
    place = context.command_path if context is not None else "edgeseg"
    message = _one_line(usage()).replace("Value error, ", "").rstrip(".")
    message += near_choice(message)
    return f"{message}{'' if message.endswith('?') else '.'} See {place} --help.", 2


def _one_line(text: str) -> str:
    """Replace what is not printable: names in a message may come from a file of any origin."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:_MOST_CHARACTERS]


def _fail(text: str, code: int) -> NoReturn:
    from edgeseg.output.terminal import complain

    complain(f"edgeseg: {text}" if _voice().form != "json" else text)
    sys.exit(code)


def _voice() -> Any:
    from edgeseg.output.terminal import voice

    return voice
