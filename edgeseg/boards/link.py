"""What joins a machine to the network: its rates, its latency, and what a byte costs its cores."""

from dataclasses import dataclass

from edgeseg.boards.boards_file import LinkEntry
from edgeseg.text.units import parse_rate


@dataclass(frozen=True)
class Link:
    """What joins a machine to the network.

    Attributes
    ----------
    up, down
        Bytes a second that it can send and receive.
    latency
        Seconds one way.
    toll
        Seconds of the machine's cores that a byte, sent or received, costs.
    """

    up: float
    down: float
    latency: float = 0.0
    toll: float = 0.0


GIGABIT = Link(125e6, 125e6)
"""The link that is assumed where nothing is known."""

LOOPBACK = Link(2e9, 2e9)
"""About what ZeroMQ moves from process to process on one machine."""


def link_of(entry: LinkEntry, otherwise: Link = GIGABIT) -> Link:
    """Return the link that a boards file states; what it leaves out is that of ``otherwise``."""
    return Link(
        up=parse_rate(entry.up) if entry.up else otherwise.up,
        down=parse_rate(entry.down) if entry.down else otherwise.down,
        latency=entry.latency_ms / 1e3,
        toll=otherwise.toll if entry.byte_ns is None else entry.byte_ns / 1e9,
    )
