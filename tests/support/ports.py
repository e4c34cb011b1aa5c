"""Ports of this machine that nobody listens on, for programs that must be told one."""

import socket
from contextlib import ExitStack


def free_ports(count: int = 1) -> int:
    """Return the first of as many free ports in a row."""
    while True:
        with ExitStack() as taken, socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                for number in range(port + 1, port + count):
                    taken.enter_context(socket.socket()).bind(("127.0.0.1", number))
            except (OSError, OverflowError):
                continue
        return port
