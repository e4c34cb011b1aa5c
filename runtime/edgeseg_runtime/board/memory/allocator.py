"""What becomes of freed memory: it is used again, or returned to the system where it is scarce."""

from edgeseg.inference.measure import resident_bytes
from edgeseg.inference.process_memory import (
    give_back_freed_memory,
    return_freed_memory,
    reuse_freed_memory,
)
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.memory.reservation import in_flight_bytes
from edgeseg_runtime.messaging.wire import Assignment


class AllocatorPolicy:
    """Keeps freed memory for the next tensors, since new pages cost time, as far as there is room.

    The tensors held never exceed the ledger, but in a heap they leave gaps, which may add up to
    as much as the tensors in flight. Where the limit has no room for those gaps, freed memory is
    returned to the system as soon as the tensors of one more slice might not fit beside it; no
    more than one slice comes between two calls of :meth:`trim`.

    Parameters
    ----------
    assignment
        What is entered in the ledger already.
    ledger
        Of this process.
    """

    def __init__(self, assignment: Assignment, ledger: Ledger) -> None:
        if assignment.shifts:
            return_freed_memory()
        else:
            reuse_freed_memory()
        slices_bytes = in_flight_bytes(assignment)
        self._gaps_fit = bool(assignment.shifts) or ledger.free >= slices_bytes
        slices = sum(route.window for route in assignment.routes)
        self._trim_above_bytes = ledger.limit - slices_bytes // max(1, slices)

    def trim(self) -> None:
        """Return freed memory to the system if the next slice might not fit beside it."""
        if not self._gaps_fit and resident_bytes() > self._trim_above_bytes:
            give_back_freed_memory()
