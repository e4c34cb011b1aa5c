"""``edgeseg sign``: vouch for a bundle."""

from pathlib import Path
from typing import Annotated

import typer


def sign(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="A .edgeseg file; the signature goes into it.")
    ],
    key: Annotated[Path, typer.Option(help="Secret file made by edgeseg keygen --signing.")],
) -> None:
    """Sign a bundle: its manifest, which holds the SHA-256 of every piece."""
    from edgeseg.bundle.bundle_file import Bundle
    from edgeseg.bundle.signature import read_signing_keys, sign_bundle
    from edgeseg.output.terminal import console

    keys = read_signing_keys(key)
    sign_bundle(Bundle(bundle), keys)
    console.print(f"signed {bundle} by {keys.public.hex()}", markup=False, soft_wrap=True)
