"""``edgeseg keygen``: a key pair for this machine, and what goes where."""

from pathlib import Path
from typing import Annotated

import typer


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
    from edgeseg.errors import UsageError
    from edgeseg.output.terminal import console
    from edgeseg_runtime.messaging.keys import key_folder, make_keys, write_keys

    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"{name!r} can't name a file; use letters, digits, - and _")
    place = folder or key_folder()
    if signing:
        from edgeseg.bundle.signature import make_signing_keys, write_signing_keys

        secret, public = write_signing_keys(make_signing_keys(), name, place)
        steps = [
            f"to sign:    edgeseg sign BUNDLE --key {secret}",
            f"to verify:  edgeseg verify BUNDLE --key {public}",
        ]
    else:
        keys = make_keys()
        secret, public = write_keys(keys, name, place)
        steps = [
            f"on a board:        edgeseg worker --key {secret} --authorized FOLDER",
            f'in boards.toml:    public_key = "{keys.public}"',
            f"as a coordinator:  copy {public} into FOLDER of every board",
        ]
    console.print(f"secret key  {secret}  stays on this machine", markup=False, soft_wrap=True)
    console.print(f"public key  {public}  may be copied anywhere", markup=False, soft_wrap=True)
    for step in steps:
        console.print(step, markup=False, soft_wrap=True)
