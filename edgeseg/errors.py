"""One tree of errors: each carries one line for the user and the exit code of its kind."""


class EdgesegError(Exception):
    """Something failed in a way the user can act on.

    The message is one line: what happened, and what to do about it.
    """

    exit_code = 1


class UsageError(EdgesegError):
    """The command or the call itself is wrong: flags, values, combinations."""

    exit_code = 2


class ModelError(EdgesegError):
    """The Keras model can't be read or can't be compiled."""


class BudgetError(EdgesegError):
    """No partition meets the complexity budget."""


class BundleError(EdgesegError):
    """The bundle is corrupt, foreign, or of a newer format."""


class VolumeError(EdgesegError):
    """The scan or the image can't be used."""


class OutputError(EdgesegError):
    """A result can't be written."""


class BoardError(EdgesegError):
    """A board can't be reached, refused its pieces, or vanished."""


class PlacementError(EdgesegError):
    """No placement of the pieces fits the boards."""


class WireError(EdgesegError):
    """A message from the network breaks the protocol."""
