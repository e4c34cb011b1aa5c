"""What ``edgeseg study`` does, in the order it does it."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.boards.boards_file import read_boards
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.signature import read_verify_key, verify_bundle
from edgeseg.errors import EdgesegError, OutputError, UsageError, field_name
from edgeseg.files.atomic import check_writable
from edgeseg.output.html import require_html
from edgeseg.output.terminal import emit_json, note, progress, working
from edgeseg.planning.outcome.objective import Objective
from edgeseg.text.units import parse_seconds
from edgeseg_runtime.messaging.keys import own_keys
from edgeseg_runtime.study.cluster import local_cluster, remote_cluster, require_dask
from edgeseg_runtime.study.contact_sheet import write_sheet
from edgeseg_runtime.study.dask_workers import HEAD_RESOURCE, heads, local_staff
from edgeseg_runtime.study.inputs import list_volumes
from edgeseg_runtime.study.record import (
    Failure,
    StudySettings,
    VolumeOutcome,
    VolumeTask,
    finished,
    identity_of,
)
from edgeseg_runtime.study.report import pace, show, study_report
from edgeseg_runtime.study.scheduler_client import SchedulerClient
from edgeseg_runtime.study.segmenter_cache import BOARDS_VARIABLE
from edgeseg_runtime.study.summary import write_summary

SUMMARY, SHEET = "summary.csv", "contact-sheet.html"


@dataclass(frozen=True)
class StudyRequest:
    """What the user asked for."""

    bundle: Path
    inputs: tuple[Path, ...]
    folder: Path
    boards_files: tuple[Path, ...]
    scheduler: str | None
    groups: bool
    objective: Objective
    patience: str
    key: Path | None
    signed_by: Path | None
    as_json: bool


def run(request: StudyRequest) -> None:
    """Segment every volume that is not finished; write masks, summary and contact sheet.

    Raises
    ------
    EdgesegError
        Before any work where an input or the folder can't be used; afterwards if a volume failed.
    """
    _check_flags(request)
    require_dask()
    require_html()
    bundle = Bundle(request.bundle)
    orders = _orders(request, bundle)
    outcomes = _finished(orders)
    left = [order for order in orders if order.volume not in outcomes]
    start = time.monotonic()
    try:
        if left:
            _segment(request, bundle, left, outcomes, len(orders))
    except KeyboardInterrupt:
        # Workers may have finished volumes that nobody here has heard of yet.
        outcomes = _finished(left) | outcomes
        note(f"{len(outcomes)} of {len(orders)} volumes are done; the same command does the rest")
        raise
    finally:
        ordered = tuple(outcomes[o.volume] for o in orders if o.volume in outcomes)
        if ordered:
            _write(request.folder, bundle, ordered)
    report = study_report(ordered, len(orders) - len(left), time.monotonic() - start)
    if request.as_json:
        emit_json(report)
    else:
        show(report, (request.folder / SUMMARY, request.folder / SHEET))
    if report.failed:
        raise EdgesegError(
            f"{report.failed} of {len(orders)} volumes failed; mend them or leave them out, and "
            "run the same command again: finished ones are skipped"
        )


def _check_flags(request: StudyRequest) -> None:
    if request.scheduler is not None and request.boards_files:
        raise UsageError(
            f"{field_name('boards_files')} is for groups that this machine heads; with "
            f"{field_name('scheduler')} start their heads where they are and add "
            f"{field_name('groups')}"
        )
    if request.groups and request.scheduler is None:
        raise UsageError(
            f"{field_name('groups')} is for {field_name('scheduler')}; here each "
            f"{field_name('boards_files')} file is a group"
        )
    for path in request.boards_files:
        read_boards(path)
    own_keys(request.key)


def _orders(request: StudyRequest, bundle: Bundle) -> list[VolumeTask]:
    """Make sure that all can be read and written, and turn it into one order a volume."""
    bundle.check()
    if request.signed_by is not None:
        verify_bundle(bundle, read_verify_key(request.signed_by))
    volumes = list_volumes(request.inputs, request.folder)
    setup = StudySettings(
        bundle=str(request.bundle.absolute()),
        manifest_sha256=bundle.sha256,
        objective=request.objective,
        patience=parse_seconds(request.patience),
        key=str(request.key.absolute()) if request.key else None,
    )
    _make_folder(request.folder)
    folder = str(request.folder.absolute())
    with working("looking what is done already"):
        return [
            VolumeTask(setup, volume.name, str(volume.path), identity_of(volume.path), folder)
            for volume in volumes
        ]


def _finished(orders: Iterable[VolumeTask]) -> dict[str, VolumeOutcome]:
    """Return what is known of the volumes whose masks are in the folder."""
    return {order.volume: record for order in orders if (record := finished(order))}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"can't make the folder {folder}: {reason}; choose another") from None
    for name in (SUMMARY, SHEET):
        check_writable(folder / name)


def _segment(
    request: StudyRequest,
    bundle: Bundle,
    orders: Sequence[VolumeTask],
    outcomes: dict[str, VolumeOutcome],
    total: int,
) -> None:
    """Add what becomes of each volume to the outcomes as it is known."""
    groups = request.groups or bool(request.boards_files)
    with _cluster(request, bundle, orders) as client:
        follower = SchedulerClient(client, groups=groups, tell=note)
        with working("waiting for workers"):
            follower.wait_for_workers(orders[0].setup.patience, _remedy(request))
        with progress(total, "segmenting", estimate=False) as advance:
            advance(total - len(orders))
            start, done, failed = time.monotonic(), 0, 0
            for outcome in follower.outcomes(orders):
                outcomes[outcome.volume] = outcome
                done, failed = done + 1, failed + isinstance(outcome, Failure)
                seconds = time.monotonic() - start
                advance(note=pace(done, len(orders) - done, failed, seconds))
        follower.release()


@contextmanager
def _cluster(request: StudyRequest, bundle: Bundle, orders: Sequence[VolumeTask]) -> Iterator[Any]:
    """Yield a client of the cluster that was asked for."""
    if request.scheduler is not None:
        with remote_cluster(request.scheduler) as client:
            yield client
        return
    if request.boards_files:
        staff = heads(request.boards_files)
    else:
        staff = local_staff(bundle.manifest, [Path(order.scan) for order in orders])
    with local_cluster(staff) as client:
        yield client


def _remedy(request: StudyRequest) -> str:
    if request.groups:
        return (
            f"start the head of a group with: {BOARDS_VARIABLE}=boards.toml dask worker "
            f"{request.scheduler} --nthreads 1 --resources {HEAD_RESOURCE}=1"
        )
    return f"start one with: dask worker {request.scheduler}"


def _write(folder: Path, bundle: Bundle, outcomes: Sequence[VolumeOutcome]) -> None:
    write_summary(folder / SUMMARY, outcomes, bundle.manifest.labels)
    write_sheet(folder / SHEET, folder, outcomes, bundle.manifest)
