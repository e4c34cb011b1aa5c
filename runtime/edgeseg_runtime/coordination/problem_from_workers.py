"""The placement problem for boards whose workers have answered."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import geometric_mean

import msgspec

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry
from edgeseg.boards.link import GIGABIT, LOOPBACK, link_of
from edgeseg.bundle.manifest import Manifest
from edgeseg.planning.problem.from_pieces import problem_of
from edgeseg.planning.problem.problem import Problem
from edgeseg_runtime.messaging.endpoints import is_local, normalize_endpoint

_ALIKE = 1.25
"""Cores up to so many times as fast as others count as alike."""


def problem_for(
    manifest: Manifest,
    boards: Sequence[Board],
    entries: Sequence[BoardEntry],
    coordinator: LinkEntry,
) -> Problem:
    """Return the problem of placing a bundle on running workers.

    Seconds of pieces are those of the boards file where they were measured, else estimated from
    FLOPs and from what each worker measured of its cores. Link rates that the boards file leaves
    out are those of loopback for workers on this machine, and of gigabit Ethernet for others.

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
        manifest.pieces,
        evened(boards),
        seconds,
        links,
        own_link,
        preprocessing=manifest.preprocessing,
        ratios=manifest.wire_ratios,
    )
    return replace(problem, sealed=any(entry.public_key for entry in entries))


def evened(boards: Sequence[Board]) -> list[Board]:
    """Return boards whose cores are of about one speed with the mean of it.

    Two measures of alike boards differ a little; planning is quick, and plans are even, where
    boards are alike.
    """
    for precision in ("float32", "int8"):
        boards = _evened(boards, precision)
    return list(boards)


def _evened(boards: Sequence[Board], precision: str) -> list[Board]:
    rates = {number: getattr(board.core_speed, precision) for number, board in enumerate(boards)}
    numbers = sorted((n for n, rate in rates.items() if rate is not None), key=rates.__getitem__)
    groups: list[list[int]] = []
    for number in numbers:
        if groups and rates[number] <= _ALIKE * rates[groups[-1][0]]:
            groups[-1].append(number)
        else:
            groups.append([number])
    means = {n: geometric_mean(rates[m] for m in group) for group in groups for n in group}
    return [
        board
        if number not in means
        else replace(
            board,
            core_speed=msgspec.structs.replace(board.core_speed, **{precision: means[number]}),
        )
        for number, board in enumerate(boards)
    ]
