"""What the planner is told of links: what the file says, else loopback here and gigabit there."""

from manifests import chain_manifest

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry
from edgeseg.boards.link import GIGABIT, LOOPBACK, Link
from edgeseg.planning.problem.problem import Problem
from edgeseg_runtime.coordination.problem_from_workers import problem_for

_HERE = BoardEntry("here", "tcp://127.0.0.1:7355")
_THERE = BoardEntry("there", "tcp://192.168.1.20:7355")


def _problem(*entries: BoardEntry, coordinator: LinkEntry | None = None) -> Problem:
    boards = [Board(entry.name, 2**30) for entry in entries]
    return problem_for(chain_manifest([1]), boards, entries, coordinator or LinkEntry())


def test_workers_on_this_machine_are_joined_by_loopback() -> None:
    problem = _problem(_HERE)
    assert (problem.links, problem.coordinator) == ((LOOPBACK,), LOOPBACK)


def test_others_are_joined_by_gigabit() -> None:
    problem = _problem(_HERE, _THERE)
    assert (problem.links, problem.coordinator) == ((LOOPBACK, GIGABIT), GIGABIT)


def test_what_the_file_says_holds() -> None:
    slow = BoardEntry("slow", "192.168.1.21:7355", up="100Mbit", latency_ms=2)
    problem = _problem(slow, coordinator=LinkEntry(up="8Mbit", down="16Mbit"))
    assert problem.links == (Link(12.5e6, GIGABIT.down, 0.002),)
    assert problem.coordinator == Link(1e6, 2e6)
