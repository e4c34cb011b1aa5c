"""The cluster that a study starts: what it listens on, and whom it takes orders from."""

import os
import socket
import ssl
import sys
from pathlib import Path

import psutil
import pytest

from edgeseg.errors import UsageError
from edgeseg_runtime.study.cluster import local_cluster, require_dask
from edgeseg_runtime.study.dask_workers import WorkerSpec

pytestmark = pytest.mark.worker

pytest.importorskip("distributed")
pytest.importorskip("cryptography")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'edgeseg\[study\]'"):
        require_dask()


def _listening(process: psutil.Process) -> set[str]:
    processes = {process, *process.children(recursive=True)}
    connections = [connection for p in processes for connection in p.net_connections("inet")]
    return {
        connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN
    }


def test_nobody_else_can_give_it_orders(tmp_path: Path) -> None:
    """It listens on loopback alone, and to those with its certificate alone."""
    boards = tmp_path / "boards.toml"
    with local_cluster([WorkerSpec(2, 2**30), WorkerSpec(1, 2**30, boards)]) as client:
        assert _listening(psutil.Process()) == {"127.0.0.1"}
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        assert sorted(worker["nthreads"] for worker in workers) == [1, 2]
        assert [worker["resources"] for worker in workers if worker["resources"]] == [{"GROUP": 1}]
        future = client.submit(os.getenv, "EDGESEG_BOARDS", resources={"GROUP": 1}, pure=False)
        assert future.result() == str(boards)
        host, port = client.scheduler.address.removeprefix("tls://").split(":")
        assert _refuses_strangers(host, int(port))


def _refuses_strangers(host: str, port: int) -> bool:
    """Whether nothing is said to somebody who speaks TLS but has no certificate."""
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port)) as bare, stranger.wrap_socket(bare) as tls:
            return not tls.recv(1)
    except (ssl.SSLError, ConnectionError):
        return True
