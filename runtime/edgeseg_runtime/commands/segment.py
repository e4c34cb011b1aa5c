"""``edgeseg segment``: a scan in, a mask out."""

from pathlib import Path
from typing import Annotated

import typer

from edgeseg.cli.fields import spells_fields
from edgeseg.commands.plan import Goal


@spells_fields(endpoints="board", boards_file="boards")
def segment(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .edgeseg file.")],
    scan: Annotated[
        Path, typer.Argument(metavar="INPUT", help="NIfTI, 8-bit PNG slice(s), or DICOM.")
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
    series: Annotated[
        str | None,
        typer.Option(metavar="TEXT|NUMBER|UID", help="Which DICOM series, where there are more."),
    ] = None,
    dicom_seg: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The mask as a DICOM segmentation too."),
    ] = None,
    preview: Annotated[Path | None, typer.Option(help="Montage of the result, PNG.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="One page to leaf through scan and mask in a browser.")
    ] = None,
    statistics: Annotated[
        Path | None, typer.Option(help="Volumes and places of what was found, JSON.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Placement, times, memory, bytes on the wire, JSON.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print report and statistics as JSON.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show the plan, and stop there.")
    ] = False,
) -> None:
    """Segment a scan with a bundle on this machine or on boards.

    Research use only, not a medical device.
    """
    from edgeseg_runtime.segment_scan import SegmentRequest, run

    run(
        SegmentRequest(
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
            series=series,
            dicom_seg=dicom_seg,
            preview=preview,
            html=html,
            statistics=statistics,
            report=report,
            as_json=json,
            dry_run=dry_run,
        )
    )
