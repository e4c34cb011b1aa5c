"""The guard of a socket where the kernel, or an emulator, counts no bytes of a connection."""

import socket
import time
from contextlib import ExitStack

import pytest
import zmq

from edgeseg_runtime.messaging import connection_guard
from edgeseg_runtime.messaging.connection_guard import ConnectionGuard

_SECONDS = 10.0
"""Well before ZeroMQ itself ends connections that do not finish their handshake, after thirty."""


def _is_cut(connection: socket.socket) -> bool:
    """Return whether the other end has closed a connection, whatever it sent before."""
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        pass
    return True


def test_connections_are_limited_where_no_bytes_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More is asked for than any kernel tells of a connection, so that the answer is short."""
    monkeypatch.setattr(connection_guard, "_BYTES_RECEIVED_AT", 1000)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context, context.socket(zmq.ROUTER) as watched, ExitStack() as stack:
        port = watched.bind_to_random_port("tcp://127.0.0.1")
        guard = ConnectionGuard(watched, lambda: None, most=2)
        stack.callback(guard.close)
        opened = []
        for _ in range(4):
            opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", port))))
            opened[-1].sendall(b"\xff" + bytes(8) + b"\x7f")
            opened[-1].setblocking(False)
            time.sleep(0.1)  # the guard looks at it some twenty times
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and sum(map(_is_cut, opened)) < 2:
            time.sleep(0.02)
        assert list(map(_is_cut, opened)) == [True, True, False, False]
