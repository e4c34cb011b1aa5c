"""Segments many volumes, each as one task: masks, records, a summary and a contact sheet."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.signature import read_verify_key, verify_bundle
from edgeseg.errors import OutputError
from edgeseg.files.atomic import check_writable
from edgeseg.output.html import require_html
from edgeseg.progress import Progress, Tell, silent
from edgeseg_runtime.study.cluster import local_cluster, remote_cluster, require_dask
from edgeseg_runtime.study.contact_sheet import write_sheet
from edgeseg_runtime.study.dask_workers import (
    HEAD_RESOURCE,
    group_head_specs,
    local_worker_specs,
)
from edgeseg_runtime.study.inputs import list_volumes
from edgeseg_runtime.study.options import StudyOptions, check_options
from edgeseg_runtime.study.record import (
    Failure,
    StudySettings,
    VolumeOutcome,
    VolumeTask,
    finished_record,
    identity_of,
)
from edgeseg_runtime.study.report import StudyReport, pace_line, study_report
from edgeseg_runtime.study.scheduler_client import SchedulerClient
from edgeseg_runtime.study.segmenter_cache import BOARDS_VARIABLE
from edgeseg_runtime.study.summary import write_summary

SUMMARY, SHEET = "summary.csv", "contact-sheet.html"
"""Files in the folder of a study."""


def run_study(  # noqa: PLR0913 - one keyword a callback
    bundle: Path | str,
    inputs: Sequence[Path | str],
    output: Path | str,
    options: StudyOptions | None = None,
    *,
    progress: Progress = silent,
    tell: Tell | None = None,
) -> StudyReport:
    """Segment every volume that is not finished; write masks, records, summary, contact sheet.

    A volume that fails is reported and does not stop the rest; running the study again tries it
    again.

    Parameters
    ----------
    bundle
        A ``.edgeseg`` file.
    inputs
        NIfTI files, DICOM folders or zips, PNG folders, or folders of these.
    output
        Folder of the masks; each volume gets ``NAME.nii.gz``, ``NAME.json`` and ``NAME.jpg``.
    options
        What else may be chosen.
    progress
        Follows the volumes.
    tell
        Called with one line where something should be known, such as a lost worker.

    Returns
    -------
    StudyReport
        What became of every volume; ``failed`` counts those without a mask.

    Raises
    ------
    UsageError, BundleError, OutputError
        Before any work, if an option, an input or the folder can't be used, or the extra 'study'
        is not installed.
    EdgesegError
        If no worker comes in time, or the scheduler is lost.
    """
    options = options or StudyOptions()
    check_options(options)
    require_dask()
    require_html()
    study = _Study(
        bundle=Bundle(Path(bundle)),
        inputs=tuple(map(Path, inputs)),
        folder=Path(output),
        options=options,
        progress=progress,
        tell=tell or (lambda _: None),
    )
    tasks = _tasks(study)
    outcomes = _finished(tasks)
    left = [task for task in tasks if task.volume not in outcomes]
    start = time.monotonic()
    try:
        if left:
            _segment(study, left, outcomes, len(tasks))
    except KeyboardInterrupt:
        # Workers may have finished volumes whose outcome has not arrived here.
        outcomes = _finished(left) | outcomes
        study.tell(
            f"{len(outcomes)} of {len(tasks)} volumes are done; the same command does the rest"
        )
        raise
    finally:
        ordered = tuple(outcomes[task.volume] for task in tasks if task.volume in outcomes)
        if ordered:
            _write(study, ordered)
    return study_report(ordered, len(tasks) - len(left), time.monotonic() - start)


@dataclass(frozen=True)
class _Study:
    """What is to be studied, and who is told of it."""

    bundle: Bundle
    inputs: tuple[Path, ...]
    folder: Path
    options: StudyOptions
    progress: Progress
    tell: Tell


def _tasks(study: _Study) -> list[VolumeTask]:
    """Return one task a volume, after making sure that all can be read and written."""
    bundle, options = study.bundle, study.options
    bundle.check()
    if options.signed_by is not None:
        verify_bundle(bundle, read_verify_key(options.signed_by))
    volumes = list_volumes(study.inputs, study.folder)
    settings = StudySettings(
        bundle=str(bundle.path.absolute()),
        manifest_sha256=bundle.sha256,
        objective=options.objective,
        patience=options.patience,
        key=str(options.key.absolute()) if options.key else None,
    )
    _make_folder(study.folder)
    folder = str(study.folder.absolute())
    with study.progress(None, "looking what is done already"):
        return [
            VolumeTask(settings, volume.name, str(volume.path), identity_of(volume.path), folder)
            for volume in volumes
        ]


def _finished(tasks: Iterable[VolumeTask]) -> dict[str, VolumeOutcome]:
    """Return the records of the volumes whose masks are in the folder, by name."""
    return {task.volume: record for task in tasks if (record := finished_record(task))}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"can't make the folder {folder}: {reason}; choose another") from None
    for name in (SUMMARY, SHEET):
        check_writable(folder / name)


def _segment(
    study: _Study, tasks: Sequence[VolumeTask], outcomes: dict[str, VolumeOutcome], total: int
) -> None:
    """Add the outcome of each volume as soon as it is known."""
    options = study.options
    groups = options.groups or bool(options.boards_files)
    with _cluster(study, tasks) as client:
        scheduler = SchedulerClient(client, groups=groups, tell=study.tell)
        with study.progress(None, "waiting for workers"):
            scheduler.wait_for_workers(options.patience, _remedy(options))
        with study.progress(total, "segmenting", estimate=False) as advance:
            advance(total - len(tasks))
            start, done, failed = time.monotonic(), 0, 0
            for outcome in scheduler.outcomes(tasks):
                outcomes[outcome.volume] = outcome
                done, failed = done + 1, failed + isinstance(outcome, Failure)
                seconds = time.monotonic() - start
                advance(note=pace_line(done, len(tasks) - done, failed, seconds))
        scheduler.release()


@contextmanager
def _cluster(study: _Study, tasks: Sequence[VolumeTask]) -> Iterator[Any]:
    """Yield a client of the cluster that the options name."""
    options = study.options
    if options.scheduler is not None:
        with remote_cluster(options.scheduler) as client:
            yield client
        return
    if options.boards_files:
        specs = group_head_specs(options.boards_files)
    else:
        scans = [Path(task.scan) for task in tasks]
        specs = local_worker_specs(study.bundle.manifest, scans)
    with local_cluster(specs) as client:
        yield client


def _remedy(options: StudyOptions) -> str:
    if options.groups:
        return (
            f"start the head of a group with: {BOARDS_VARIABLE}=boards.toml dask worker "
            f"{options.scheduler} --nthreads 1 --resources {HEAD_RESOURCE}=1"
        )
    return f"start one with: dask worker {options.scheduler}"


def _write(study: _Study, outcomes: Sequence[VolumeOutcome]) -> None:
    manifest = study.bundle.manifest
    write_summary(study.folder / SUMMARY, outcomes, manifest.labels)
    write_sheet(study.folder / SHEET, study.folder, outcomes, manifest)
