"""``edgeseg demo``: the main job from end to end on a real CT."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for everything that is made.")
    ] = Path("edgeseg-demo"),
) -> None:
    """Compile the sample U-Net, run it on two workers over TCP, segment a real CT.

    The CT is fetched once (38 MB). Research use only, not a medical device.
    """
    from edgeseg.demo.demo import run
    from edgeseg.output.terminal import progress

    run(output, progress)
