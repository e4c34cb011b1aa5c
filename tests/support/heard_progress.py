"""A progress that remembers what it was told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from edgeseg.progress import Advance


@dataclass
class Job:
    """A job, how many steps it has, how many are done, and what was said on the way."""

    description: str
    total: float | None
    done: float = 0
    notes: list[str] = field(default_factory=list)


class HeardProgress:
    """The jobs that began, in their order."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    @contextmanager
    def __call__(
        self, total: float | None, description: str, unit: str = "", *, estimate: bool = True
    ) -> Iterator[Advance]:
        """Begin a job."""
        job = Job(description, total)
        self.jobs.append(job)

        def advance(n: float = 1, note: str | None = None) -> None:
            job.done += n
            job.notes += [note] if note else []

        yield advance
