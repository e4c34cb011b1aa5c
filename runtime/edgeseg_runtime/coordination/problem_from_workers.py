"""What the planner is told of boards whose workers have answered."""

from collections.abc import Sequence
from dataclasses import replace

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry
from edgeseg.boards.link import GIGABIT, LOOPBACK, link_of
from edgeseg.bundle.manifest import Manifest
from edgeseg.planning.problem.from_pieces import problem_of
from edgeseg.planning.problem.problem import Problem
from edgeseg_runtime.messaging.endpoints import is_local, normalize_endpoint


def problem_for(
    manifest: Manifest,
    boards: Sequence[Board],
    entries: Sequence[BoardEntry],
    coordinator: LinkEntry,
) -> Problem:
    """State the problem of placing a bundle on running workers.

    Seconds are those that were measured, else estimated.
    Rates that are not said are those of loopback for workers on this machine, and gigabit for
    others.

    Parameters
    ----------
    manifest
        The bundle.
    boards
        The boards as their workers describe them.
    entries
        Where they listen, and what is known of their links and of the pieces there.
    coordinator
        The link of this machine.
    """
    here = {entry.name: is_local(normalize_endpoint(entry.address)) for entry in entries}
    links = {e.name: link_of(e, LOOPBACK if here[e.name] else GIGABIT) for e in entries}
    own = link_of(coordinator, LOOPBACK if all(here.values()) else GIGABIT)
    seconds = {entry.name: entry.seconds(manifest.pieces) for entry in entries}
    problem = problem_of(manifest.pieces, boards, seconds, links, own)
    return replace(problem, sealed=any(entry.public_key for entry in entries))
