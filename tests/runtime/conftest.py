"""What tests of the runtime share."""

from collections.abc import Iterator

import pytest
from talking import Sockets


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """Sockets of one test, closed after it."""
    with Sockets() as opened:
        yield opened
