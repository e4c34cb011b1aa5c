"""``edgeseg verify``: who vouches for a bundle."""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .edgeseg file.")],
    key: Annotated[Path, typer.Option(help="Public file made by edgeseg keygen --signing.")],
) -> None:
    """Make sure that a bundle is signed by a key, and that no byte of its pieces has changed."""
    from edgeseg.bundle.bundle_file import Bundle
    from edgeseg.bundle.signature import read_verify_key, verify_bundle
    from edgeseg.output.terminal import console

    opened, public = Bundle(bundle), read_verify_key(key)
    verify_bundle(opened, public)
    opened.verify()
    console.print(f"{bundle} is signed by {public.hex()}", markup=False, soft_wrap=True)
