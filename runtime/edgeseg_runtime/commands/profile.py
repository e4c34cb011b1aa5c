"""``edgeseg profile``: what pieces and links really take on the boards at hand."""

from pathlib import Path
from typing import Annotated

import typer


def profile(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .edgeseg file.")],
    boards: Annotated[
        Path, typer.Option(help="TOML file that lists the workers; the figures go into it.")
    ],
    rounds: Annotated[
        int, typer.Option(min=1, max=1000, help="How often each piece runs; the median counts.")
    ] = 9,
    key: Annotated[
        Path | None, typer.Option(help="This machine's own key; see edgeseg keygen.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Run every piece on every board and fill every link, and keep the figures for planning.

    Research use only, not a medical device.
    """
    from edgeseg.output.terminal import console, emit_json, progress
    from edgeseg_runtime import own_keys, profile_boards
    from edgeseg_runtime.profiling.profile_report import profile_pages

    keys = own_keys(key)
    report = profile_boards(bundle, boards, rounds=rounds, keys=keys, progress=progress)
    if json:
        emit_json(report)
        return
    console.print(*profile_pages(report), sep="\n")
    console.print(f"wrote {boards}", markup=False, soft_wrap=True)
