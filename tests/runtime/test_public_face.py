"""What the command line can, Python can: every public name, used as its documentation says."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from processes import Workers
from scans import write_ct

import edgeseg_runtime
from edgeseg.errors import BoardError, UsageError
from edgeseg_runtime import (
    BoardStatus,
    Finding,
    KeyFiles,
    KeyPair,
    ProfileReport,
    RunReport,
    Segmentation,
    SegmentDryRun,
    Segmenter,
    SegmentOptions,
    SegmentResult,
    Statistics,
    StatusWatch,
    StudyOptions,
    StudyReport,
    WorkerConfig,
    create_keys,
    diagnose,
    own_keys,
    plan_segment,
    profile_boards,
    run_study,
    run_worker,
    segment,
    worker_config,
    worker_status,
)


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    return write_ct(tmp_path / "ct.nii", (64, 64, 6))


def _boards_file(folder: Path, endpoint: str) -> Path:
    path = folder / "boards.toml"
    path.write_text(f'# ours\n[[board]]\nname = "pi"\nendpoint = "{endpoint}"\n')
    return path


def test_the_public_names_are_shown_and_documented() -> None:
    assert dir(edgeseg_runtime) == sorted(edgeseg_runtime.__all__)
    for name in edgeseg_runtime.__all__:
        public = getattr(edgeseg_runtime, name)
        assert public.__doc__, name
        if callable(public) and not isinstance(public, type):
            assert public.__module__.startswith("edgeseg_runtime.")


def test_importing_the_package_imports_none_of_it() -> None:
    code = (
        "import edgeseg_runtime, sys; dir(edgeseg_runtime); "
        "print([name for name in sys.modules if name.startswith('edgeseg_runtime.')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert ran.stdout == "[]\n"


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'segmenter_of'"):
        edgeseg_runtime.segmenter_of  # noqa: B018 - the access is what is tested


def test_segment_writes_a_mask_and_what_goes_with_it(
    workers: Workers, tiny_bundle: Path, ct: Path, tmp_path: Path
) -> None:
    options = SegmentOptions(
        boards=(workers.start().endpoint,),
        preview=tmp_path / "preview.png",
        report=tmp_path / "report.json",
    )
    plans: list[object] = []
    result = segment(
        tiny_bundle, ct, tmp_path / "mask.nii", options, on_plan=lambda *plan: plans.append(plan)
    )
    assert isinstance(result, SegmentResult)
    assert isinstance(result.segmentation, Segmentation)
    assert isinstance(result.segmentation.report, RunReport)
    assert isinstance(result.statistics, Statistics)
    names = [path.name for path in result.files]
    assert names == ["mask.nii", "preview.png", "report.json"]
    assert all(path.exists() for path in result.files)
    assert json.loads((tmp_path / "report.json").read_text())["slices"] == 6
    assert len(plans) == 1


def test_plan_segment_says_what_segment_would_do(
    workers: Workers, tiny_bundle: Path, ct: Path, tmp_path: Path
) -> None:
    options = SegmentOptions(boards=(workers.start().endpoint,))
    planned = plan_segment(tiny_bundle, ct, tmp_path / "mask.nii", options)
    assert isinstance(planned, SegmentDryRun)
    assert (planned.slices, planned.kept) == (6, 0)
    assert planned.writes == (str(tmp_path / "mask.nii"),)
    assert not (tmp_path / "mask.nii").exists()


def test_options_that_exclude_each_other_are_named_as_fields(
    tiny_bundle: Path, ct: Path, tmp_path: Path
) -> None:
    for options, words in (
        (SegmentOptions(local=1, boards=("127.0.0.1:9",)), "local and boards exclude each other"),
        (SegmentOptions(boards=("127.0.0.1:9",), memory_limit=1), "memory_limit is for local"),
    ):
        with pytest.raises(UsageError, match=f"^{words}"):
            segment(tiny_bundle, ct, tmp_path / "mask.nii", options)
    with pytest.raises(UsageError, match=r"^groups is for scheduler; here each"):
        run_study(tiny_bundle, [ct], tmp_path / "masks", StudyOptions(groups=True))


def test_lost_boards_and_silence_are_told_by_callback(
    tiny_bundle: Path, ct: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A library says nothing at the terminal by itself."""
    lines: list[str] = []
    options = SegmentOptions(boards=("tcp://127.0.0.1:9",), patience=0.1)
    with pytest.raises(BoardError, match="no worker answers"):
        segment(tiny_bundle, ct, tmp_path / "mask.nii", options, tell=lines.append)
    with Segmenter(tiny_bundle, local=1) as segmenter:
        segmenter.segment(ct)
    assert capfd.readouterr() == ("", "")


def test_run_study_segments_every_volume(tiny_bundle: Path, ct: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    pytest.importorskip("jinja2")
    masks = tmp_path / "masks"
    report = run_study(tiny_bundle, [ct], masks)
    assert isinstance(report, StudyReport)
    assert (report.segmented, report.skipped, report.failed) == (1, 0, 0)
    assert (masks / "ct.nii.gz").exists()
    assert run_study(tiny_bundle, [str(ct)], str(masks)).skipped == 1


def test_profile_boards_writes_into_the_boards_file(
    workers: Workers, tiny_bundle: Path, tmp_path: Path
) -> None:
    boards = _boards_file(tmp_path, workers.start().endpoint)
    report = profile_boards(tiny_bundle, boards, rounds=1)
    assert isinstance(report, ProfileReport)
    assert list(report.boards[0].piece_ms) == list(report.pieces)
    assert boards.read_text().startswith("# ours\n")
    assert "piece_ms" in boards.read_text()


def test_worker_status_asks_endpoints_and_entries(workers: Workers) -> None:
    endpoint = workers.start().endpoint
    (status,) = worker_status([endpoint], interval_seconds=0.0)
    assert isinstance(status, BoardStatus)
    assert status.condition is not None
    with StatusWatch([endpoint, endpoint]) as watch:
        assert [board.board for board in watch.look()] == [endpoint]


def test_diagnose_checks_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('memory_limit = "900GiB"\n')
    config = worker_config(file, {})
    assert config == WorkerConfig(memory_limit="900GiB")
    findings = {finding.check: finding for finding in diagnose(config)}
    assert all(isinstance(finding, Finding) for finding in findings.values())
    assert findings["memory"].advice.endswith("lower memory_limit")


def test_keys_are_created_and_read(tmp_path: Path) -> None:
    files = create_keys("pi", tmp_path)
    assert isinstance(files, KeyFiles)
    keys = own_keys(files.secret)
    assert isinstance(keys, KeyPair)
    assert keys.public == files.public_key


def test_run_worker_serves_until_it_is_told_to_stop() -> None:
    code = (
        "from edgeseg_runtime import WorkerConfig, run_worker\n"
        "run_worker(WorkerConfig(listen='tcp://127.0.0.1:*', memory_limit='1GiB'))"
    )
    assert callable(run_worker)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().split()[-1]
        (status,) = worker_status([endpoint], interval_seconds=0.0)
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    assert status.condition is not None
    assert process.returncode == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda segmenter: segmenter.planned,
        lambda segmenter: segmenter.placement,
        lambda segmenter: segmenter.segment(np.zeros((8, 8), np.int16)),
    ],
)
def test_a_segmenter_says_that_it_must_be_entered(
    tiny_bundle: Path, use: Callable[[Segmenter], object]
) -> None:
    with pytest.raises(UsageError, match=r"enter it first: with Segmenter\(...\) as segmenter"):
        use(Segmenter(tiny_bundle, local=1))


def test_a_segmenter_plans_without_loading(
    tiny_bundle: Path, hounsfield: NDArray[np.int16]
) -> None:
    segmenter = Segmenter(tiny_bundle, local=1)
    problem, plan = segmenter.plan()
    assert [board.name for board in problem.boards] == list(plan.placement.lanes[0].members)
    with segmenter:
        assert len(segmenter.segment(hounsfield).mask) == len(hounsfield)
    assert segmenter.planned[1].lanes
