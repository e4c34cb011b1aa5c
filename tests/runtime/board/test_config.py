"""A worker's file: every flag is a key, flags override it, and what is wrong is one line."""

import inspect
from pathlib import Path

import pytest
from processes import Ran, edgeseg, edgeseg_process, one_line, output_of
from talking import Sockets, greet

from edgeseg.errors import UsageError
from edgeseg_runtime.board import config as module
from edgeseg_runtime.board.config import WorkerConfig, worker_config
from edgeseg_runtime.commands.worker import worker

pytestmark = pytest.mark.worker

_EXAMPLE = Path(__file__).parents[3] / "runtime" / "deploy" / "worker.toml"


def _file(folder: Path, text: str) -> Path:
    path = folder / "worker.toml"
    path.write_text(text)
    return path


def test_every_flag_is_a_key_and_every_key_a_flag() -> None:
    flags = set(inspect.signature(worker).parameters) - {"config"}
    assert flags == set(WorkerConfig.__struct_fields__)


def test_flags_override_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    path = _file(tmp_path, 'cores = 3\nmemory_limit = "1GiB"\ninsecure = true\n')
    config = worker_config(path, {"cores": 2, "insecure": False, "listen": None})
    assert config == WorkerConfig(cores=2, memory_limit="1GiB", insecure=False)
    assert config.limit == 2**30


def test_without_a_file_the_usual_place_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = tmp_path / "worker.toml"
    monkeypatch.setattr(module, "DEFAULT_FILE", usual)
    assert worker_config(None, {}) == WorkerConfig()
    usual.write_text("cores = 4\n")
    assert worker_config(None, {}).cores == 4


def test_the_example_is_a_worker_s_file() -> None:
    example = worker_config(_EXAMPLE, {})
    assert example.limit == 512 * 2**20
    assert example.key is not None
    assert example.metrics == "127.0.0.1:9090"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("colour = 1\n", "unknown field `colour`"),
        ('cores = "2"\n', "$.cores"),
        ("cores = 0\n", "$.cores"),
        ("memory_limit = 512\n", "$.memory_limit"),
        ('memory_limit = "lots"\n', "write it like 512MiB"),
        ('log_format = "xml"\n', "$.log_format"),
        ("listen = \n", "is no worker's file"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(tmp_path: Path, text: str, reason: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        worker_config(path, {})
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    path = tmp_path / "worker.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is no worker's file"):
        worker_config(path, {})


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    one_line(edgeseg("worker", "--config", tmp_path / "none.toml"), 2, "there is no worker's file")
    one_line(edgeseg("worker", "--config", tmp_path), 2, "can't read the worker's file")
    path = _file(tmp_path, "colour = 1\n")
    one_line(edgeseg("worker", "--config", path), 2, str(path), "colour")


def test_a_worker_runs_as_its_file_says(tmp_path: Path, sockets: Sockets) -> None:
    listen = 'listen = "tcp://127.0.0.1:*"\n'
    path = _file(tmp_path, f'{listen}memory_limit = "300MiB"\ncores = 3\nverbose = false\n')
    process = edgeseg_process("worker", "--config", path, "--cores", 2)
    with process:
        assert process.stdout is not None
        welcome = greet(sockets.link(process.stdout.readline().split()[-1]))
        process.terminate()
        assert output_of(process) == Ran(0, "", "")
    assert (welcome.memory_limit_bytes, welcome.cores) == (300 * 2**20, 2)
