"""What a study says of its pace and of its end."""

import pytest
from study_outcomes import record

from edgeseg_runtime.study.record import Failure
from edgeseg_runtime.study.report import pace_line, study_report


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        ((0, 9, 0, 0.0), "segmenting"),
        ((4, 8, 0, 120.0), "segmenting, 120 volumes/h, 4 min left"),
        ((2, 0, 2, 60.0), "segmenting, 120 volumes/h, 0 s left, 2 failed"),
    ],
)
def test_the_pace_is_that_of_the_whole_run(figures: tuple[int, int, int, float], line: str) -> None:
    assert pace_line(*figures) == line


def test_only_what_was_segmented_now_makes_the_rate() -> None:
    volumes = (record(volume="a"), record(volume="b"), record(volume="c"), Failure("d", "why"))
    report = study_report(volumes, skipped=1, seconds=60.0)
    assert (report.segmented, report.skipped, report.failed) == (2, 1, 1)
    assert report.volumes_per_hour == 120
