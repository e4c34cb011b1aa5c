"""The device side and the coordinator: from a bundle and a scan to a mask, on one board or many.

What the command line does, one function a command:

===================  =========================================================
``edgeseg segment``  :func:`segment`, and :func:`plan_segment` for a dry run
``edgeseg study``    :func:`run_study`
``edgeseg profile``  :func:`profile_boards`
``edgeseg worker``   :func:`run_worker`
``edgeseg status``   :func:`worker_status`, and :class:`StatusWatch` to go on
``edgeseg doctor``   :func:`diagnose`
``edgeseg keygen``   :func:`create_keys`
===================  =========================================================

:class:`Segmenter` holds a bundle ready on boards and segments scan after scan, also of arrays.
The names below are the public ones; the rooms beneath are internal.
"""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports

if TYPE_CHECKING:
    from edgeseg_runtime.board.config import WorkerConfig, worker_config
    from edgeseg_runtime.board.process import run_worker
    from edgeseg_runtime.messaging.keys import KeyPair, own_keys
    from edgeseg_runtime.operations.checks import Finding
    from edgeseg_runtime.operations.doctor import diagnose
    from edgeseg_runtime.operations.keys import KeyFiles, create_keys
    from edgeseg_runtime.operations.status import BoardStatus, StatusWatch, worker_status
    from edgeseg_runtime.profiling.profile import profile_boards
    from edgeseg_runtime.profiling.profile_report import ProfileReport
    from edgeseg_runtime.results.run_report import RunReport
    from edgeseg_runtime.results.statistics import Statistics
    from edgeseg_runtime.segment_scan import SegmentResult, plan_segment, segment
    from edgeseg_runtime.segmentation.dry_run import SegmentDryRun
    from edgeseg_runtime.segmentation.options import SegmentOptions
    from edgeseg_runtime.segmentation.segmenter import Segmentation, Segmenter
    from edgeseg_runtime.study.options import StudyOptions
    from edgeseg_runtime.study.report import StudyReport
    from edgeseg_runtime.study.study import run_study

__all__ = [
    "BoardStatus",
    "Finding",
    "KeyFiles",
    "KeyPair",
    "ProfileReport",
    "RunReport",
    "SegmentDryRun",
    "SegmentOptions",
    "SegmentResult",
    "Segmentation",
    "Segmenter",
    "Statistics",
    "StatusWatch",
    "StudyOptions",
    "StudyReport",
    "WorkerConfig",
    "create_keys",
    "diagnose",
    "own_keys",
    "plan_segment",
    "profile_boards",
    "run_study",
    "run_worker",
    "segment",
    "worker_config",
    "worker_status",
]

_HOMES = {
    "board.config": ("WorkerConfig", "worker_config"),
    "board.process": ("run_worker",),
    "messaging.keys": ("KeyPair", "own_keys"),
    "operations.checks": ("Finding",),
    "operations.doctor": ("diagnose",),
    "operations.keys": ("KeyFiles", "create_keys"),
    "operations.status": ("BoardStatus", "StatusWatch", "worker_status"),
    "profiling.profile": ("profile_boards",),
    "profiling.profile_report": ("ProfileReport",),
    "results.run_report": ("RunReport",),
    "results.statistics": ("Statistics",),
    "segment_scan": ("SegmentResult", "plan_segment", "segment"),
    "segmentation.dry_run": ("SegmentDryRun",),
    "segmentation.options": ("SegmentOptions",),
    "segmentation.segmenter": ("Segmentation", "Segmenter"),
    "study.options": ("StudyOptions",),
    "study.report": ("StudyReport",),
    "study.study": ("run_study",),
}

__getattr__ = lazy_exports(
    __name__, {name: module for module, names in _HOMES.items() for name in names}
)


def __dir__() -> list[str]:
    return __all__
