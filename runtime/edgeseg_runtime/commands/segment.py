"""``edgeseg segment``: a scan in, a mask out."""

from pathlib import Path
from typing import Annotated

import typer

from edgeseg.cli.fields import spells_fields
from edgeseg.commands.plan import Codec, Goal


@spells_fields(boards="board", boards_file="boards")
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
    wire: Annotated[
        Codec, typer.Option(help="How tensors pass between boards; auto: lossless where it helps.")
    ] = Codec.auto,
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
    acquisition: Annotated[
        int | None,
        typer.Option(min=0, help="Which acquisition of it, where it holds several, as phases."),
    ] = None,
    postprocess: Annotated[
        str | None,
        typer.Option(metavar="PRESET|FILE|none", help="Instead of the bundle's post-processing."),
    ] = None,
    probabilities: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Each label's probability, as a 4-D NIfTI of 8 bit."),
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
    from edgeseg.output.terminal import emit_json, note, progress
    from edgeseg.text.units import parse_bytes, parse_seconds
    from edgeseg_runtime import SegmentOptions, plan_segment
    from edgeseg_runtime import segment as segment_scan
    from edgeseg_runtime.commands.segment_output import show_dry_run, show_plan, show_result

    options = SegmentOptions(
        boards=tuple(board or ()),
        boards_file=boards,
        local=local,
        memory_limit=parse_bytes(memory_limit) if memory_limit else None,
        objective=objective.value,
        wire=wire.value,
        patience=parse_seconds(patience),
        resume=resume,
        key=key,
        signed_by=signed_by,
        series=series,
        acquisition=acquisition,
        postprocess=postprocess,
        probabilities=probabilities,
        dicom_seg=dicom_seg,
        preview=preview,
        html=html,
        statistics=statistics,
        report=report,
    )
    if dry_run:
        planned = plan_segment(bundle, scan, output, options, progress=progress, tell=note)
        emit_json(planned) if json else show_dry_run(planned)
        return
    result = segment_scan(
        bundle, scan, output, options, progress=progress, tell=note, on_plan=show_plan
    )
    if json:
        emit_json({"report": result.segmentation.report, "statistics": result.statistics})
    else:
        show_result(result)
