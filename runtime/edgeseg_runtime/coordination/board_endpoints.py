"""Checks where the boards of a run listen, and whether this machine can prove its identity."""

from collections.abc import Sequence

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.errors import BoardError, UsageError
from edgeseg_runtime.messaging.endpoints import normalize_endpoint
from edgeseg_runtime.messaging.keys import KeyPair


def checked_endpoints(entries: Sequence[BoardEntry], keys: KeyPair | None) -> list[str]:
    """Return the endpoints of boards in ZeroMQ's form.

    Parameters
    ----------
    entries
        The boards.
    keys
        This machine's own, or None.

    Raises
    ------
    BoardError
        If two boards have the same address.
    UsageError
        If a board has a public key and this machine has none, or an address is none.
    """
    for entry in entries:
        if entry.public_key is not None and keys is None:
            raise UsageError(
                f"{entry.name} has a public_key, so this machine needs a key too; make one with "
                "edgeseg keygen and copy its public file to the board"
            )
    endpoints = [normalize_endpoint(entry.address) for entry in entries]
    for entry, endpoint in zip(entries, endpoints, strict=True):
        if endpoints.count(endpoint) > 1:
            raise BoardError(f"two boards listen at {entry.address}; give each board once")
    return endpoints
