"""``edgeseg segment``: a scan in, a mask out."""

from pathlib import Path
from typing import Annotated

import typer

from edgeseg.commands.plan import Goal


def segment(
    bundle: Annotated[Path, typer.Argument(help="A .edgeseg file.")],
    scan: Annotated[
        Path, typer.Argument(metavar="INPUT", help="NIfTI, 8-bit PNG slice, or folder of them.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Mask: NIfTI, or PNG or folder of PNGs.")
    ],
    local: Annotated[
        int | None, typer.Option(min=1, help="Start this many workers on this machine.")
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option(help="What each of them may take, such as 512MiB.")
    ] = None,
    board: Annotated[
        list[str] | None, typer.Option(help="Endpoint of a running worker; repeatable.")
    ] = None,
    boards: Annotated[Path | None, typer.Option(help="TOML file that lists the workers.")] = None,
    objective: Annotated[
        Goal, typer.Option(help="Most slices a second, soonest slice, or smallest largest board.")
    ] = Goal.throughput,
    patience: Annotated[
        str, typer.Option(help="How long to wait for lost boards, such as 90s or 2min.")
    ] = "60s",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the slices of a run that stopped.")
    ] = False,
    key: Annotated[
        Path | None, typer.Option(help="This machine's own key; see edgeseg keygen.")
    ] = None,
    signed_by: Annotated[
        Path | None,
        typer.Option(metavar="PUBLIC", help="Refuse a bundle that this key has not signed."),
    ] = None,
    preview: Annotated[Path | None, typer.Option(help="Montage of the result, PNG.")] = None,
    statistics: Annotated[
        Path | None, typer.Option(help="Volumes and places of what was found, JSON.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Placement, times, memory, bytes on the wire, JSON.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print report and statistics as JSON.")
    ] = False,
) -> None:
    """Segment a scan with a bundle on this machine or on boards.

    Research use only, not a medical device.
    """
    from edgeseg_runtime.segment import Request, run

    run(
        Request(
            bundle=bundle,
            scan=scan,
            output=output,
            local=local,
            memory_limit=memory_limit,
            endpoints=tuple(board or ()),
            boards_file=boards,
            objective=objective.value,
            patience=patience,
            resume=resume,
            key=key,
            signed_by=signed_by,
            preview=preview,
            statistics=statistics,
            report=report,
            as_json=json,
        )
    )
