"""The options of segmenting a scan on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.boards.boards_file import BoardEntry, LinkEntry, read_boards
from edgeseg.codecs.names import Wire
from edgeseg.errors import UsageError, field_name
from edgeseg.planning.outcome.objective import Objective
from edgeseg_runtime.segmentation.segmenter import PATIENCE_SECONDS


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """What may be chosen for :func:`~edgeseg_runtime.segment` and its dry run.

    Attributes
    ----------
    boards
        Endpoints or entries of running workers. Without these and without ``boards_file``,
        workers are started on this machine.
    boards_file
        TOML file that lists the workers.
    local
        How many workers to start on this machine (by default from its cores and memory).
    memory_limit
        Bytes that each of them may take (by default a share of what is available).
    objective
        What is planned for: ``throughput``, ``latency`` or ``memory``.
    wire
        How tensors pass between boards: ``auto`` (lossless where it helps), ``none``, or a codec
        for all: ``lossless``, ``half``, ``int8``. The last two change masks a little.
    patience
        Seconds to wait for boards without which nothing goes on.
    resume
        Go on from the slices of a run that stopped.
    key
        This machine's secret key file; by default the one of ``edgeseg keygen``, if there is one.
    signed_by
        A public key that the bundle must be signed with.
    series
        Which DICOM series, where there are several: a text, a number or a UID.
    acquisition
        Which acquisition of it, where it holds several, such as phases.
    postprocess
        A preset, a TOML file of rules or ``none``, instead of the bundle's post-processing.
    probabilities, dicom_seg, preview, html, statistics, report
        Files to write beside the mask: each label's probability (4-D NIfTI, before
        post-processing), the mask as a DICOM segmentation, a montage (PNG), a page for a
        browser, the labels' volumes and places (JSON), and how the run went (JSON).
    """

    boards: Sequence[str | BoardEntry] = ()
    boards_file: Path | None = None
    local: int | None = None
    memory_limit: int | None = None
    objective: Objective = "throughput"
    wire: Wire = "auto"
    patience: float = PATIENCE_SECONDS
    resume: bool = False
    key: Path | None = None
    signed_by: Path | None = None
    series: str | None = None
    acquisition: int | None = None
    postprocess: str | None = None
    probabilities: Path | None = None
    dicom_seg: Path | None = None
    preview: Path | None = None
    html: Path | None = None
    statistics: Path | None = None
    report: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to write beside the mask."""
        files = (
            self.probabilities,
            self.dicom_seg,
            self.preview,
            self.html,
            self.statistics,
            self.report,
        )
        return tuple(path for path in files if path is not None)


def boards_of(options: SegmentOptions) -> tuple[Sequence[str | BoardEntry], LinkEntry | None]:
    """Return the boards that options name, and the link of this machine where it is known.

    Raises
    ------
    UsageError
        If options exclude each other, or the boards file can't be read.
    """
    chosen = [name for name in ("local", "boards", "boards_file") if getattr(options, name)]
    if len(chosen) > 1:
        names = " and ".join(map(field_name, chosen))
        raise UsageError(f"{names} exclude each other; give one")
    if options.memory_limit and chosen and chosen != ["local"]:
        raise UsageError(
            f"{field_name('memory_limit')} is for local workers; a board states its own"
        )
    if options.boards_file is None:
        return options.boards, None
    file = read_boards(options.boards_file)
    return file.board, file.coordinator
