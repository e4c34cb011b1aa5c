"""What is deployed with a worker: the unit, the container, and the example file agree."""

import configparser
import json
import math
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from processes import Workers, edgeseg

from edgeseg_runtime.board.config import DEFAULT_FILE, WorkerConfig, worker_config

pytestmark = pytest.mark.worker

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ROOT = Path(__file__).parents[2]
_DEPLOY = _ROOT / "runtime" / "deploy"
_RESTRICTED = _ROOT / "tests" / "support" / "restricted.py"
_UNIT = _DEPLOY / "edgeseg-worker.service"


@pytest.fixture
def example() -> WorkerConfig:
    return worker_config(_DEPLOY / "worker.toml", {})


@pytest.fixture
def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(_UNIT)
    return unit["Service"]


@pytest.fixture
def steps() -> list[tuple[str, str]]:
    """Statements of the Dockerfile: word and rest."""
    text = (_DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    statements = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [(word, rest) for word, rest in statements]


def _rest(steps: list[tuple[str, str]], word: str) -> str:
    """What stands last after a word."""
    return [rest for first, rest in steps if first == word][-1]


def _needed_mib(limit: int) -> int:
    return math.ceil(limit * 1.05 / 2**20)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: systemd can't check the unit")
    copy = tmp_path / _UNIT.name
    copy.write_text(_UNIT.read_text().replace("/opt/edgeseg/bin/edgeseg", "/bin/true"))
    process = subprocess.run([analyze, "verify", copy], capture_output=True, check=False, text=True)
    assert (process.returncode, process.stdout + process.stderr) == (0, "")
    copy.write_text(copy.read_text().replace("Type=notify", "Type=nothing"))
    process = subprocess.run([analyze, "verify", copy], capture_output=True, check=False, text=True)
    assert "nothing" in process.stderr


def test_the_unit_s_memory_is_the_promise_and_5_percent(
    service: configparser.SectionProxy, example: WorkerConfig
) -> None:
    assert service["MemoryMax"] == f"{_needed_mib(example.limit)}M"
    assert service["MemorySwapMax"] == "0"


def test_the_unit_runs_a_worker_as_nobody_else(service: configparser.SectionProxy) -> None:
    command = shlex.split(service["ExecStart"])
    assert command[1:] == ["worker", "--config", str(DEFAULT_FILE)]
    assert service["Type"] == "notify"
    assert service["User"] not in ("", "root")
    assert service["Restart"] == "on-failure"
    assert int(service["TimeoutStopSec"]) > 2
    assert int(service["WatchdogSec"]) > 1
    assert service["NoNewPrivileges"] == "yes"


def test_the_unit_lets_the_worker_write_where_its_file_says(
    service: configparser.SectionProxy, example: WorkerConfig
) -> None:
    """All else is read-only."""
    cache = f"{service['Environment'].removeprefix('XDG_CACHE_HOME=')}/{service['CacheDirectory']}"
    assert cache == "/var/cache/edgeseg"
    assert str(example.spool).startswith(f"{cache}/")
    assert service["ProtectSystem"] == "strict"


def test_a_worker_needs_no_socket_that_the_unit_refuses(
    service: configparser.SectionProxy,
) -> None:
    """ZeroMQ ends the process where it can't ask for the network's interfaces."""
    families = service["RestrictAddressFamilies"].split()
    with Workers() as started:
        assert started.start(command=_restricted(families)).endpoint
    process = edgeseg("worker", "--listen", "tcp://127.0.0.1:*", command=_restricted(["AF_INET"]))
    assert process.code == -signal.SIGABRT


def _restricted(families: list[str]) -> list[str]:
    python = sys.executable
    return [python, str(_RESTRICTED), ",".join(families), python, "-m", "edgeseg"]


def test_the_container_is_made_of_files_that_there_are(steps: list[tuple[str, str]]) -> None:
    copied = set()
    for word, rest in steps:
        if word == "COPY" and "--from" not in rest:
            *sources, _ = rest.split()
            copied |= set(sources)
    assert copied
    for name in copied:
        assert (_ROOT / name).exists(), name
    wheel = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    included = set(wheel["targets"]["wheel"]["force-include"])
    assert included | {"pyproject.toml", "README.md", "LICENSE", "constraints.txt"} <= copied
    for package in wheel["targets"]["wheel"]["packages"]:
        assert package.split("/")[0] in copied


def test_the_container_runs_a_worker_as_nobody_else(
    steps: list[tuple[str, str]], example: WorkerConfig
) -> None:
    assert _rest(steps, "USER") != "root"
    command = [*json.loads(_rest(steps, "ENTRYPOINT")), *json.loads(_rest(steps, "CMD"))]
    assert command == ["edgeseg", "worker", "--metrics", example.metrics]
    assert int(_rest(steps, "EXPOSE")) == urlsplit(example.listen).port
    health = _rest(steps, "HEALTHCHECK").partition("CMD")[2]
    compile(json.loads(health)[2], "health", "exec")
    assert f"http://{example.metrics}/healthz" in health
    bases = {rest.split()[0] for word, rest in steps if word == "FROM"}
    assert len(bases) == 1  # what is compiled in one runs in the other
    memory = re.findall(r"--memory(?:-swap)? (\d+)m", (_DEPLOY / "Dockerfile").read_text())
    assert memory == [str(_needed_mib(example.limit))] * 2
