"""Measures the link of a board: bytes a second each way, latency, and the cores' share."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgeseg.boards.boards_file import Board, LinkEntry
from edgeseg.boards.link import Link, link_of
from edgeseg.boards.profile_file import MeasuredBoard
from edgeseg_runtime.coordination.profiling_session import ProbeAnswer, ProfilingSession
from edgeseg_runtime.messaging.wire import MAX_PROBE_BYTES

_FIRST_PROBE_BYTES = 2**16
_LONG_ENOUGH_SECONDS = 0.1
"""A transfer that takes so long is measured well: no larger one is needed."""

_TOTAL_SECONDS = 0.5
"""Transfers of any size are measured well once they have taken so long together."""

_PROBE_SHARE = 16
"""No probe takes more than such a part of a board's free memory: some of it may stay behind."""

_MIN_SHARE = 0.1
"""Share of a transfer that is its bytes': on a busy machine an empty message may take as long."""

_MIN_PROBES = 5
_MAX_PROBES = 25
"""Of a link so fast that they take next to no time: what disturbs some in a row decides nothing."""

_PINGS = 15


def measure_link(session: ProfilingSession, board: Board, own_latency: float) -> Link:
    """Measure a board's link.

    Parameters
    ----------
    session
        Connected to the board, which holds no pieces.
    board
        As its worker describes it.
    own_latency
        Seconds one way between this machine and the network.
    """
    name, free = board.name, board.memory_limit - board.base_memory
    empty = statistics.median(session.probe(name, 0, 0).seconds for _ in range(_PINGS))
    max_bytes = max(1, min(MAX_PROBE_BYTES, free // _PROBE_SHARE))
    up = _measure_direction(lambda size: session.probe(name, 0, size), max_bytes, empty)
    down = _measure_direction(lambda size: session.probe(name, size, 0), max_bytes, empty)
    return Link(
        up=up.rate,
        down=down.rate,
        latency=max(0.0, empty / 2 - own_latency),
        toll=(up.toll + down.toll) / 2,
    )


def own_link(stated: LinkEntry, boards: Sequence[MeasuredBoard]) -> Link | None:
    """Return this machine's link if more went through it than was stated, else None.

    Parameters
    ----------
    stated
        What the boards file says of it.
    boards
        What was measured.
    """
    known = link_of(stated)
    proven = Link(
        up=max(known.up, *(board.link.down for board in boards)),
        down=max(known.down, *(board.link.up for board in boards)),
        latency=known.latency,
    )
    return None if proven == known else proven


@dataclass(frozen=True)
class _Direction:
    """One way of a link: bytes a second, and seconds of the board's cores a byte."""

    rate: float
    toll: float


def _measure_direction(
    transfer: Callable[[int], ProbeAnswer], max_bytes: int, empty: float
) -> _Direction:
    """Measure transfers that grow until they take long enough.

    A board reports the time of its cores before its answer is sent: that of a transfer is the
    difference to the next one.

    Parameters
    ----------
    transfer
        Transfers so many bytes.
    max_bytes
        The largest transfer.
    empty
        Seconds of a transfer without bytes.
    """
    size = min(_FIRST_PROBE_BYTES, max_bytes)
    while size < max_bytes and transfer(size).seconds - empty < _LONG_ENOUGH_SECONDS:
        size = min(2 * size, max_bytes)
    probes: list[ProbeAnswer] = []
    while len(probes) < _MAX_PROBES and (
        len(probes) < _MIN_PROBES or _seconds(probes) < _TOTAL_SECONDS
    ):
        probes.append(transfer(size))
    median_seconds = statistics.median(probe.seconds for probe in probes)
    seconds = max(median_seconds - empty, _MIN_SHARE * median_seconds)
    cpu_seconds = statistics.median(
        after.cpu_seconds - before.cpu_seconds for before, after in pairwise(probes)
    )
    return _Direction(size / seconds, max(0.0, cpu_seconds) / size)


def _seconds(probes: Sequence[ProbeAnswer]) -> float:
    return sum(probe.seconds for probe in probes)
