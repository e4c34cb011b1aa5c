"""Rates of links out of transfers: what disturbs some of them, and what went through."""

import pytest

from edgeseg.boards.boards_file import Board, LinkEntry
from edgeseg.boards.link import GIGABIT, Link
from edgeseg.boards.profile_file import MeasuredBoard
from edgeseg_runtime.coordination.profiling_session import ProbeAnswer
from edgeseg_runtime.profiling.links import _measure_direction, own_link

_MIB = 2**20


def test_what_disturbs_transfers_in_a_row_decides_nothing() -> None:
    """Eight transfers that take ten times as long, and as much of the cores, are no slow link."""
    undisturbed, slow_seconds = 1e-3, list[float]()

    def transfer(size: int) -> ProbeAnswer:
        growing = size < _MIB
        slow = 1 if growing or len(slow_seconds) >= 8 else 10
        if not growing:
            slow_seconds.append(slow * undisturbed)
        return ProbeAnswer(slow * undisturbed, sum(slow_seconds))

    direction = _measure_direction(transfer, _MIB, 0.0)
    assert direction.rate == pytest.approx(_MIB / undisturbed)
    assert direction.toll == pytest.approx(undisturbed / _MIB)
    assert 8 < len(slow_seconds) <= 25


def test_a_link_is_at_least_what_went_through_it() -> None:
    def figures(up: float, down: float) -> MeasuredBoard:
        return MeasuredBoard(Board("a", 1), Link(up, down), {})

    slow = [figures(1e6, 1e6), figures(2e6, 1e6)]
    assert own_link(LinkEntry(), slow) is None
    fast = [*slow, figures(1e6, 2e9)]
    assert own_link(LinkEntry(latency_ms=2), fast) == Link(2e9, GIGABIT.down, 0.002)


def test_a_transfer_as_quick_as_an_empty_message_has_a_rate_of_sense() -> None:
    """As on a busy machine, where an empty message may have waited as long."""
    direction = _measure_direction(lambda _: ProbeAnswer(0.01, 0.0), max_bytes=1000, empty=0.02)
    assert direction.rate == pytest.approx(1000 / 0.001)
    assert direction.toll == 0
