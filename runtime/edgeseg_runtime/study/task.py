"""The task of one volume, as it runs in a Dask worker: paths in, a small record out."""

import os
import time
from pathlib import Path

from edgeseg import __version__
from edgeseg.errors import BoardError, EdgesegError, PlacementError
from edgeseg.files.atomic import write_json
from edgeseg.imaging.formats import format_of, read_scan
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
from edgeseg_runtime.study.segmenter_cache import station


def segment_volume(order: VolumeTask) -> VolumeOutcome:
    """Segment one volume; write mask, picture and, once all is there, the record.

    Whatever goes wrong with it is told, so that the study goes on.
    """
    from distributed import get_worker

    try:
        return _segment(order)
    except (BoardError, PlacementError) as error:
        return Failure(order.volume, str(error), at=get_worker().address)
    except EdgesegError as error:
        return Failure(order.volume, str(error))
    except Exception as error:  # noqa: BLE001 - one volume must not end a study
        return Failure(order.volume, f"unexpected {type(error).__name__}: {error}")
    finally:
        give_back_freed_memory()


def release() -> None:
    """Release the boards of this process: the study is over."""
    station.release()


def _segment(order: VolumeTask) -> Record:
    folder = Path(order.folder)
    for path in (order.setup.bundle, order.scan, order.folder):
        _check_shared(path)
    with station.segmenter(order.setup) as segmenter:
        start = time.monotonic()
        source = Path(order.scan)
        scan = read_scan(source)
        mask = folder / f"{order.volume}{format_of(source).ending_for(source)}"
        scan.check_output(mask)
        masks = segmenter.segment(scan).masks
        scan.write(mask, masks)
        write_strip(picture_path(folder, order.volume), scan, masks, segmenter.manifest)
        record = Record(
            volume=order.volume,
            mask=mask.name,
            seconds=time.monotonic() - start,
            statistics=measure(scan, masks, segmenter.manifest.labels),
            warning=scan.warning,
            edgeseg=__version__,
            model=segmenter.manifest.model_name,
            manifest_sha256=order.setup.manifest_sha256,
            scan_identity=order.scan_identity,
        )
    write_json(record_path(folder, order.volume), record)
    return record


def _check_shared(path: str) -> None:
    if not Path(path).exists():
        raise BoardError(
            f"{os.uname().nodename} has no {path}; share bundle, inputs and output folder with all "
            "machines of a study, under the same paths"
        )
