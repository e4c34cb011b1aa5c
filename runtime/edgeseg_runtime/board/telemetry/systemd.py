"""Tells systemd, if it started this process, when that is ready, alive and stopping."""

import os
import socket
import time
from contextlib import suppress


def notify(state: str) -> None:
    """Send a line such as ``READY=1`` to the service manager; without one nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    # A manager that does not listen must not hold up the work.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams, suppress(OSError):
        datagrams.setblocking(False)
        datagrams.sendto(state.encode(), address)


class Watchdog:
    """Tells the service manager that the message loop turns, as often as its unit asks for."""

    def __init__(self) -> None:
        microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
        for_this_process = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._interval = microseconds / 2e6 if for_this_process else 0.0
        self._last = 0.0

    def beat(self) -> None:
        """Notify the service manager if half of the time that it allows has passed."""
        now = time.monotonic()
        if self._interval and now - self._last > self._interval:
            self._last = now
            notify("WATCHDOG=1")
