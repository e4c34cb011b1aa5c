"""When a volume counts as finished."""

import os
from pathlib import Path

import msgspec
import pytest
from study_outcomes import SETTINGS, record, task

from edgeseg.files.atomic import write_json
from edgeseg_runtime.study.record import VolumeTask, finished_record, identity_of, record_path


@pytest.fixture
def done(tmp_path: Path) -> Path:
    write_json(record_path(tmp_path, "a"), record())
    (tmp_path / "a.nii.gz").touch()
    return tmp_path


def test_a_finished_volume_is_known_by_its_record(done: Path) -> None:
    assert finished_record(task(done)) == record()


def _other_bundle(folder: Path) -> VolumeTask:
    settings = msgspec.structs.replace(SETTINGS, manifest_sha256="c" * 64)
    return msgspec.structs.replace(task(folder), settings=settings)


def _without_mask(folder: Path) -> VolumeTask:
    (folder / "a.nii.gz").unlink()
    return task(folder)


def _half_a_record(folder: Path) -> VolumeTask:
    path = record_path(folder, "a")
    path.write_bytes(path.read_bytes()[:100])
    return task(folder)


def _another_json(folder: Path) -> VolumeTask:
    record_path(folder, "a").write_text('{"volume": 3}')
    return task(folder)


@pytest.mark.parametrize(
    "changed",
    [
        lambda folder: task(folder, "b"),
        lambda folder: task(folder, identity="2"),
        _other_bundle,
        _without_mask,
        _half_a_record,
        _another_json,
    ],
)
def test_whatever_has_changed_is_done_again(done: Path, changed: object) -> None:
    assert callable(changed)
    assert finished_record(changed(done)) is None


def test_other_boards_make_the_same_mask(done: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, objective="latency", patience=1.0, key="/k")
    assert finished_record(msgspec.structs.replace(task(done), settings=settings)) == record()


def test_a_scan_changes_with_its_files(tmp_path: Path) -> None:
    series = tmp_path / "series"
    (series / "deep").mkdir(parents=True)
    file = series / "deep" / "1.dcm"
    file.write_bytes(b"one")
    identities = {identity_of(series), identity_of(file)}
    os.utime(file, ns=(1, 1))
    identities |= {identity_of(series), identity_of(file)}
    file.write_bytes(b"other")
    os.utime(file, ns=(1, 1))
    identities |= {identity_of(series), identity_of(file)}
    (series / "2.dcm").touch()
    os.utime(series / "2.dcm", ns=(1, 1))
    identities.add(identity_of(series))
    (series / "2.dcm").rename(series / "3.dcm")
    identities.add(identity_of(series))
    assert len(identities) == 8
    assert identity_of(series) in identities
