"""The task of one volume as it runs in a Dask worker: paths in, a small record out."""

import os
import time
from pathlib import Path

from edgeseg import __version__
from edgeseg.errors import BoardError, EdgesegError, PlacementError
from edgeseg.files.atomic import write_json
from edgeseg.imaging.formats import format_of, read_scan
from edgeseg.imaging.hounsfield import notes_for_model
from edgeseg.inference.process_memory import give_back_freed_memory
from edgeseg_runtime.results.preview import write_strip
from edgeseg_runtime.results.statistics import measure
from edgeseg_runtime.study.record import (
    Failure,
    Record,
    VolumeOutcome,
    VolumeTask,
    picture_path,
    record_path,
)
from edgeseg_runtime.study.segmenter_cache import segmenter_cache


def segment_volume(task: VolumeTask) -> VolumeOutcome:
    """Segment one volume; write mask, picture and, once all is there, the record.

    Whatever goes wrong is returned as a failure, so that the study goes on.
    """
    from distributed import get_worker

    try:
        return _segment(task)
    except (BoardError, PlacementError) as error:
        return Failure(task.volume, str(error), at=get_worker().address)
    except EdgesegError as error:
        return Failure(task.volume, str(error))
    except Exception as error:  # noqa: BLE001 - one volume must not end a study
        return Failure(task.volume, f"unexpected {type(error).__name__}: {error}")
    finally:
        give_back_freed_memory()


def release() -> None:
    """Release the boards of this process: the study is over."""
    segmenter_cache.release()


def _segment(task: VolumeTask) -> Record:
    folder = Path(task.folder)
    for path in (task.settings.bundle, task.scan, task.folder):
        _check_shared(path)
    with segmenter_cache.segmenter(task.settings) as segmenter:
        start = time.monotonic()
        source = Path(task.scan)
        scan = read_scan(source)
        mask = folder / f"{task.volume}{format_of(source).ending_for(source)}"
        scan.check_output(mask)
        notes = notes_for_model(scan, segmenter.manifest.preprocessing)
        segmentation = segmenter.segment(scan, notes=notes)
        masks = segmentation.masks
        scan.write(mask, masks)
        write_strip(picture_path(folder, task.volume), scan, masks, segmenter.manifest)
        record = Record(
            volume=task.volume,
            mask=mask.name,
            seconds=time.monotonic() - start,
            statistics=measure(
                scan, masks, segmenter.manifest.labels, segmentation.report.postprocess
            ),
            warning="; ".join(notes) or None,
            edgeseg=__version__,
            model=segmenter.manifest.model_name,
            manifest_sha256=task.settings.manifest_sha256,
            scan_identity=task.scan_identity,
        )
    write_json(record_path(folder, task.volume), record)
    return record


def _check_shared(path: str) -> None:
    if not Path(path).exists():
        raise BoardError(
            f"{os.uname().nodename} has no {path}; share bundle, inputs and output folder with all "
            "machines of a study, under the same paths"
        )
