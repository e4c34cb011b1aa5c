"""``edgeseg doctor`` on this machine, and the piece that it times."""

import json
import socket
from pathlib import Path

import probe_recipe
import pytest
from processes import Workers, edgeseg, one_line

from edgeseg_runtime.board.config import WorkerConfig
from edgeseg_runtime.messaging.keys import make_keys, write_keys
from edgeseg_runtime.operations.checks import Finding
from edgeseg_runtime.operations.doctor import diagnose
from edgeseg_runtime.operations.trial import PROBE_FLOPS, time_bundle, time_probe

pytestmark = pytest.mark.tensorflow

_PROBE = Path(__file__).parents[3] / "runtime" / "edgeseg_runtime" / "operations" / "probe.tflite"


def _finding(check: str, config: WorkerConfig, bundle: Path | None = None) -> Finding:
    return next(finding for finding in diagnose(config, bundle) if finding.check == check)


def test_the_piece_is_what_its_recipe_makes() -> None:
    assert _PROBE.read_bytes() == probe_recipe.probe_bytes()
    sides = [probe_recipe.SIDE - 2 * layer for layer in range(1, probe_recipe.LAYERS + 1)]
    assert sum(2 * 9 * probe_recipe.CHANNELS**2 * side**2 for side in sides) == PROBE_FLOPS


def test_the_piece_runs_and_makes_ones_of_ones() -> None:
    trial = time_probe()
    assert trial.worst_error < 1e-5
    assert 1e-5 < trial.seconds < 5


def test_a_bundle_is_timed(tiny_bundle: Path, tmp_path: Path) -> None:
    assert time_bundle(tiny_bundle) > 0
    assert "ms a slice" in _finding("bundle", WorkerConfig(), tiny_bundle).found
    broken = tmp_path / "broken.edgeseg"
    broken.write_bytes(b"nothing")
    assert _finding("bundle", WorkerConfig(), broken).status == "fail"


def test_it_fits_100_columns_and_says_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    ran = edgeseg("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 100
    for check in ("system", "python", "engine", "memory", "swap", "disk", "temperature"):
        assert f"\n{check}" in ran.out
    for check in ("throttling", "governor", "clock", "port", "keys"):
        assert f"\n{check}" in ran.out


def test_what_fails_makes_exit_code_1_and_is_said_as_json(tmp_path: Path) -> None:
    config = tmp_path / "worker.toml"
    config.write_text('listen = "tcp://0.0.0.0:*"\nmemory_limit = "900GiB"\n')
    ran = edgeseg("doctor", "--config", config, "--json")
    assert (ran.code, ran.err) == (1, "")
    printed = json.loads(ran.out)
    assert printed["fit"] is False
    failed = {f["check"]: f["advice"] for f in printed["findings"] if f["status"] == "fail"}
    assert "lower --memory-limit" in failed["memory"]
    assert "keygen" in failed["keys"]
    one_line(edgeseg("doctor", "--config", tmp_path / "none"), 2, "there is no worker's file")


def test_a_port_is_tried(workers: Workers) -> None:
    endpoint = workers.start().endpoint
    assert _finding("port", WorkerConfig(listen=endpoint)).status == "warn"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    assert _finding("port", WorkerConfig(listen=f"127.0.0.1:{number}")).status == "ok"
    assert _finding("port", WorkerConfig(listen="tcp://192.0.2.1:7355")).status == "fail"


def test_keys_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "authorized"
    folder.mkdir(mode=0o755)
    secret, public = write_keys(make_keys(), "pi", tmp_path)
    config = WorkerConfig(listen="tcp://0.0.0.0:*", key=str(secret))
    assert "0 may come" in _finding("keys", config).found
    (folder / "coordinator.pub").write_bytes(public.read_bytes())
    assert _finding("keys", config).status == "ok"
    folder.chmod(0o777)
    assert "written by others" in _finding("keys", config).found
    folder.chmod(0o755)
    secret.chmod(0o644)
    assert _finding("keys", config).status == "fail"
    secret.unlink()
    assert _finding("keys", config).status == "fail"
    alone = WorkerConfig(authorized=str(folder))
    assert "needs key" in _finding("keys", alone).found
