"""Endpoints by IPv6 and by name; those that can never be reached are said to be that."""

import socket
from pathlib import Path
from typing import Any

import pytest
from processes import Workers, edgeseg, one_line
from talking import Sockets, greet

from edgeseg.errors import BoardError
from edgeseg_runtime import Segmenter
from edgeseg_runtime.messaging.addresses import address_problem, needs_ipv6
from edgeseg_runtime.messaging.wire import Welcome
from edgeseg_runtime.operations.status import worker_status

_UNKNOWN = "tcp://no-such-board.invalid:7355"


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6_here = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    ("endpoint", "needed"),
    [
        ("tcp://[::1]:1", True),
        ("tcp://[fe80::1%eth0]:1", True),
        ("tcp://127.0.0.1:*", False),
        ("tcp://*:1", False),
        ("ipc:///tmp/worker", False),
        (_UNKNOWN, False),
    ],
)
def test_ipv6_is_used_where_it_must_be(endpoint: str, *, needed: bool) -> None:
    assert needs_ipv6(endpoint) is needed


@pytest.mark.parametrize(
    ("families", "needed"), [([socket.AF_INET6], True), ([socket.AF_INET6, socket.AF_INET], False)]
)
def test_a_name_with_ipv6_addresses_alone_is_reached_so(
    monkeypatch: pytest.MonkeyPatch, families: list[int], *, needed: bool
) -> None:
    def found(*_: Any, **__: Any) -> list[Any]:
        return [(family, 0, 0, "", ()) for family in families]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    assert needs_ipv6("tcp://pi:7355") is needed
    assert address_problem("tcp://pi:7355") is None


@needs_ipv6_here
@pytest.mark.worker
@pytest.mark.parametrize("host", ["[::1]", "[::1%lo]"])
def test_a_worker_listens_on_ipv6(workers: Workers, sockets: Sockets, host: str) -> None:
    worker = workers.start("--listen", f"tcp://{host}:*")
    port = worker.endpoint.rpartition(":")[2]
    assert isinstance(greet(sockets.link(f"tcp://{host}:{port}")), Welcome)


def test_a_name_that_is_not_known_is_said(tiny_bundle: Path) -> None:
    with pytest.raises(BoardError, match=r"the name no-such-board\.invalid is not known here"):
        Segmenter(tiny_bundle, [_UNKNOWN], patience=0).__enter__()
    (status,) = worker_status([_UNKNOWN])
    assert status.problem is not None
    assert "is not known here" in status.problem
    listening = edgeseg("worker", "--insecure", "--listen", _UNKNOWN)
    one_line(listening, 1, "the name no-such-board.invalid is not known")


def test_a_path_that_is_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/{'x' * 108}"
    one_line(edgeseg("worker", "--listen", endpoint), 1, "longer than 107 bytes", "TMPDIR")
