"""The options of a study."""

from dataclasses import dataclass
from pathlib import Path

from edgeseg.boards.boards_file import read_boards
from edgeseg.errors import UsageError, field_name
from edgeseg.planning.outcome.objective import Objective
from edgeseg_runtime.messaging.keys import own_keys
from edgeseg_runtime.segmentation.segmenter import PATIENCE_SECONDS


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """What may be chosen for :func:`~edgeseg_runtime.run_study`.

    Attributes
    ----------
    boards_files
        Boards files, each of a group of boards that segments one volume at a time. Without these
        and without ``scheduler``, this machine does all by itself.
    scheduler
        Address of a running Dask scheduler, ``tcp://`` or ``tls://``.
    groups
        Give volumes only to those of its workers that head a group of boards.
    objective
        What is planned for: ``throughput``, ``latency`` or ``memory``.
    patience
        Seconds to wait for lost boards, or for the first worker.
    key
        The secret key file of this machine, or of the heads of groups.
    signed_by
        A public key that the bundle must be signed with.
    """

    boards_files: tuple[Path, ...] = ()
    scheduler: str | None = None
    groups: bool = False
    objective: Objective = "throughput"
    patience: float = PATIENCE_SECONDS
    key: Path | None = None
    signed_by: Path | None = None


def check_options(options: StudyOptions) -> None:
    """Make sure that options go together, and that the files they name can be read.

    Raises
    ------
    UsageError
        If they do not.
    """
    if options.scheduler is not None and options.boards_files:
        raise UsageError(
            f"{field_name('boards_files')} is for groups that this machine heads; with "
            f"{field_name('scheduler')} start their heads where they are and add "
            f"{field_name('groups')}"
        )
    if options.groups and options.scheduler is None:
        raise UsageError(
            f"{field_name('groups')} is for {field_name('scheduler')}; here each "
            f"{field_name('boards_files')} file is a group"
        )
    for path in options.boards_files:
        read_boards(path)
    own_keys(options.key)
