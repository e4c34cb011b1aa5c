"""``edgeseg study``: many scans in, as many masks out."""

from pathlib import Path
from typing import Annotated

import typer

from edgeseg.cli.fields import spells_fields
from edgeseg.commands.plan import Goal


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
    from edgeseg_runtime.study.study import StudyRequest, run

    run(
        StudyRequest(
            bundle=bundle,
            inputs=tuple(inputs),
            folder=output,
            boards_files=tuple(boards or ()),
            scheduler=scheduler,
            groups=groups,
            objective=objective.value,
            patience=patience,
            key=key,
            signed_by=signed_by,
            as_json=json,
        )
    )
