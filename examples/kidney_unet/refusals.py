"""How the scripts end on an error: one line for the user, and the exit code of its kind."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from edgeseg.errors import EdgesegError
from edgeseg.output.terminal import messages


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn an error of edgeseg into its line and its exit code."""
    try:
        yield
    except EdgesegError as error:
        messages.print(f"error: {error}", soft_wrap=True)
        raise typer.Exit(error.exit_code) from error
