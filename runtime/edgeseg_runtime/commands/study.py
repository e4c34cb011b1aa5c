"""``edgeseg study``: many scans in, as many masks out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeseg.cli.fields import spells_fields
from edgeseg.commands.plan import Goal

if TYPE_CHECKING:
    from edgeseg_runtime import StudyReport


@spells_fields(boards_files="boards")
def study(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .edgeseg file.")],
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="NIfTI files, DICOM folders or zips, PNG folders, or a folder of these.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Masks, records, summary and contact sheet."
        ),
    ],
    boards: Annotated[
        list[Path] | None,
        typer.Option(help="TOML file that lists the workers of a group; one a group."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler that runs: tcp:// or tls://."),
    ] = None,
    groups: Annotated[
        bool, typer.Option("--groups", help="Take only its workers that head a group of boards.")
    ] = False,
    objective: Annotated[
        Goal, typer.Option(help="Most slices a second, soonest slice, or smallest largest board.")
    ] = Goal.throughput,
    patience: Annotated[
        str, typer.Option(help="How long to wait for lost boards or for workers, such as 90s.")
    ] = "60s",
    key: Annotated[
        Path | None, typer.Option(help="The own key of heads; see edgeseg keygen.")
    ] = None,
    signed_by: Annotated[
        Path | None,
        typer.Option(metavar="PUBLIC", help="Refuse a bundle that this key has not signed."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Segment many scans, each as one task, and skip those that are finished.

    FOLDER gets NAME.nii.gz, NAME.json and NAME.jpg for each volume, summary.csv
    and contact-sheet.html. NAME is that of the file or folder; imaging.nii.gz
    (KiTS) has the name of the folder that it is in. Volumes that fail are listed
    and do not stop the rest; the same command tries them again.

    By itself it uses this machine. Each --boards file names the boards of a
    group, which segments one volume at a time. With --scheduler, bundle, inputs
    and FOLDER must be on all machines under the same paths; the head of a group
    is a worker that was started as EDGESEG_BOARDS=/etc/edgeseg/boards.toml
    dask worker ADDRESS --nthreads 1 --resources GROUP=1. For tls:// Dask's own
    configuration names the certificates (distributed.comm.tls).

    Research use only, not a medical device.
    """
    from edgeseg.errors import EdgesegError
    from edgeseg.output.terminal import emit_json, note, progress
    from edgeseg.text.units import parse_seconds
    from edgeseg_runtime import StudyOptions, run_study

    options = StudyOptions(
        boards_files=tuple(boards or ()),
        scheduler=scheduler,
        groups=groups,
        objective=objective.value,
        patience=parse_seconds(patience),
        key=key,
        signed_by=signed_by,
    )
    report = run_study(bundle, inputs, output, options, progress=progress, tell=note)
    if json:
        emit_json(report)
    else:
        _show(report, output)
    if report.failed:
        raise EdgesegError(
            f"{report.failed} of {len(report.volumes)} volumes failed; mend them or leave them "
            "out, and run the same command again: finished ones are skipped"
        )


def _show(report: "StudyReport", folder: Path) -> None:
    """Show what failed, how fast it was, and where things are."""
    from rich.markup import escape

    from edgeseg.output.terminal import RESEARCH_NOTE, console, figure_table
    from edgeseg.text.units import format_seconds
    from edgeseg_runtime.study.record import Failure
    from edgeseg_runtime.study.study import SHEET, SUMMARY

    failures = [outcome for outcome in report.volumes if isinstance(outcome, Failure)]
    if failures:
        table = figure_table(("failed", "why"), ())
        for failure in failures:
            table.add_row(escape(failure.volume), escape(failure.error))
        console.print(table)
    count = report.segmented
    line = f"{count} volume{'' if count == 1 else 's'} in {format_seconds(report.seconds)}"
    if count:
        line += f", {report.volumes_per_hour:.0f} volumes/h"
    if report.skipped:
        line += f"; finished before: {report.skipped}"
    console.print(line)
    for name in (SUMMARY, SHEET):
        console.print(f"wrote {folder / name}", markup=False, soft_wrap=True)
    console.print(f"{RESEARCH_NOTE}.", style="dim")
