"""The heap of a worker: what freed tensors leave is used again, or given back in time."""

from edgeseg.inference.measure import resident_bytes
from edgeseg.inference.process_memory import (
    give_back_freed_memory,
    return_freed_memory,
    reuse_freed_memory,
)
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.messaging.wire import Assignment


class FreedMemory:
    """Decides what becomes of freed memory in one deployment; pages that are new cost time.

    What is held never exceeds the ledger, but in a heap it leaves gaps, which may come to as much
    as the tensors in flight. Where the limit has no room for those, free memory goes back to the
    system as soon as the tensors of one more slice, which is more than comes between two looks,
    might not fit beside it.

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
        self._gaps_fit = bool(assignment.shifts) or ledger.free >= assignment.reserved_bytes
        slices = sum(route.window for route in assignment.routes)
        self._highest = ledger.limit - assignment.reserved_bytes // max(1, slices)

    def tend(self) -> None:
        """Give back what is free if there may be too much of it."""
        if not self._gaps_fit and resident_bytes() > self._highest:
            give_back_freed_memory()
