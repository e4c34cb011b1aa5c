"""The report of a study, and the line that tells its pace while it runs."""

import msgspec

from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.text.units import format_seconds
from edgeseg_runtime.study.record import Failure, VolumeOutcome

_HOUR = 3600.0


class StudyReport(msgspec.Struct, frozen=True):
    """A whole study: counts, speed, and the outcome of every volume.

    ``skipped`` volumes were finished before it began.
    """

    segmented: int
    skipped: int
    failed: int
    seconds: float
    volumes_per_hour: float
    volumes: tuple[VolumeOutcome, ...]
    note: str = RESEARCH_NOTE


def pace_line(done: int, left: int, failed: int, seconds: float) -> str:
    """Return volumes an hour, time left and failures, after ``done`` volumes in ``seconds``."""
    parts = ["segmenting"]
    if done:
        parts.append(f"{_HOUR * done / seconds:.0f} volumes/h")
        parts.append(f"{format_seconds(left * seconds / done)} left")
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)


def study_report(outcomes: tuple[VolumeOutcome, ...], skipped: int, seconds: float) -> StudyReport:
    """Return the report of a study of so many seconds; ``skipped`` were finished before it."""
    failed = sum(isinstance(outcome, Failure) for outcome in outcomes)
    segmented = len(outcomes) - skipped - failed
    return StudyReport(
        segmented=segmented,
        skipped=skipped,
        failed=failed,
        seconds=seconds,
        volumes_per_hour=_HOUR * segmented / seconds,
        volumes=outcomes,
    )
