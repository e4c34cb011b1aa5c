"""Where an endpoint leads: IPv4 or IPv6, a name that is known or not, a path that is too long."""

import re
import socket
from ipaddress import ip_address

TCP = re.compile(
    r"tcp://(?P<host>[\w.*-]+|\[[\w.:]+(?:%[\w.-]+)?\]):(?P<port>\*|\d{1,5})", re.ASCII
)
"""An endpoint; the host may be an IPv6 address in brackets, with a zone such as ``%eth0``."""

_MAX_SOCKET_PATH = 107
"""Bytes of the longest path of a Unix socket on Linux."""


def host_of(endpoint: str) -> str | None:
    """Return the host of a TCP endpoint without brackets; None for any other endpoint."""
    match = TCP.fullmatch(endpoint)
    return match["host"].strip("[]") if match else None


def needs_ipv6(endpoint: str) -> bool:
    """Tell whether an endpoint can be reached by IPv6 alone; a name is looked up."""
    host = host_of(endpoint)
    if host is None or host == "*":
        return False
    if _is_number(host):
        return ":" in host
    families = _families(host)
    return socket.AF_INET6 in families and socket.AF_INET not in families


def address_problem(endpoint: str) -> str | None:
    """Return what keeps an endpoint from ever being reached, or None.

    A name is looked up, which may take seconds where no name server answers.
    """
    if endpoint.startswith("ipc://"):
        path = endpoint.removeprefix("ipc://")
        if len(path.encode()) > _MAX_SOCKET_PATH:
            return (
                f"the socket's path {path} is longer than {_MAX_SOCKET_PATH} bytes; set TMPDIR "
                "to a shorter folder"
            )
        return None
    host = host_of(endpoint)
    if host is None or host == "*" or _is_number(host) or _families(host):
        return None
    return f"the name {host} is not known here; correct it, or give the address as a number"


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _families(host: str) -> set[int]:
    """Return the address families of a name; none if it is not known."""
    try:
        return {family for family, *_ in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()
