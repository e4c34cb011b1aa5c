"""A worker for all tests of a file that need nothing special of it."""

from collections.abc import Iterator

import pytest
from processes import RunningWorker, Workers


@pytest.fixture(scope="module")
def worker() -> Iterator[RunningWorker]:
    """One worker on this machine, with room for everything."""
    with Workers() as started:
        yield started.start()
