"""``edgeseg keygen``: a key pair for this machine, and what goes where."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgeseg_runtime import KeyFiles


def keygen(
    name: Annotated[
        str, typer.Argument(help="What the machine is called, such as pi4-a.")
    ] = "edgeseg",
    folder: Annotated[
        Path | None, typer.Option(help="Where the two files go.  [default: ~/.config/edgeseg]")
    ] = None,
    signing: Annotated[
        bool, typer.Option("--signing", help="Make a key that signs bundles instead.")
    ] = False,
) -> None:
    """Make a key pair: by default one that a board or a coordinator proves its identity with.

    The secret file is for its owner alone and is never overwritten. Without a name the pair is
    this machine's own, which segment, profile and status use unless told otherwise.
    """
    from edgeseg.output.terminal import console
    from edgeseg_runtime import create_keys

    files = create_keys(name, folder, signing=signing)
    for line in (
        f"secret key  {files.secret}  stays on this machine",
        f"public key  {files.public}  may be copied anywhere",
        *_next_steps(files),
    ):
        console.print(line, markup=False, soft_wrap=True)


def _next_steps(files: "KeyFiles") -> tuple[str, ...]:
    if files.public_key is None:
        return (
            f"to sign:    edgeseg sign BUNDLE --key {files.secret}",
            f"to verify:  edgeseg verify BUNDLE --key {files.public}",
        )
    return (
        f"on a board:        edgeseg worker --key {files.secret} --authorized FOLDER",
        f'in boards.toml:    public_key = "{files.public_key}"',
        f"as a coordinator:  copy {files.public} into FOLDER of every board",
    )
