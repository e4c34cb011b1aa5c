"""The placement problem for boards whose workers have answered."""

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
    """Return the problem of placing a bundle on running workers.

    Seconds of pieces are those of the boards file where they were measured, else estimated from
    FLOPs. Link rates that the boards file leaves out are those of loopback for workers on this
    machine, and of gigabit Ethernet for others.

    Parameters
    ----------
    manifest
        The bundle's.
    boards
        The boards as their workers describe them.
    entries
        Where the workers listen, and what is known of their links and of the pieces there.
    coordinator
        The link of this machine.
    """
    local = {entry.name: is_local(normalize_endpoint(entry.address)) for entry in entries}
    links = {
        entry.name: link_of(entry, LOOPBACK if local[entry.name] else GIGABIT) for entry in entries
    }
    own_link = link_of(coordinator, LOOPBACK if all(local.values()) else GIGABIT)
    seconds = {entry.name: entry.seconds(manifest.pieces) for entry in entries}
    problem = problem_of(
        manifest.pieces, boards, seconds, links, own_link, preprocessing=manifest.preprocessing
    )
    return replace(problem, sealed=any(entry.public_key for entry in entries))
