"""Hands volumes to a Dask cluster, a few at a time, and yields the outcome of each."""

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from edgeseg.errors import EdgesegError
from edgeseg_runtime.study.dask_workers import HEAD_RESOURCE
from edgeseg_runtime.study.record import Failure, VolumeOutcome, VolumeTask
from edgeseg_runtime.study.task import release, segment_volume

LOOK_SECONDS = 1.0
"""How often the list of workers is refreshed."""

_MIN_TRIES = 2


@dataclass(frozen=True)
class Attempt:
    """A volume to be segmented, and the addresses of workers whose boards have failed it."""

    task: VolumeTask
    failed_at: tuple[str, ...] = ()


def workers_to_try(failed_at: Sequence[str], workers: Sequence[str]) -> tuple[str, ...]:
    """Return the workers for a volume that boards have failed; none if it was tried enough. Pure.

    It is tried on every worker, and at least twice.
    """
    untried = tuple(worker for worker in workers if worker not in failed_at)
    if not untried and len(failed_at) < _MIN_TRIES:
        return tuple(workers)
    return untried


class SchedulerClient:
    """Submits the volumes of one study to a cluster.

    No more of them are submitted at a time than there are workers: Dask would blame a volume that
    waits at a worker for the end of that worker too.

    Parameters
    ----------
    client
        The cluster's client.
    groups
        Whether only workers that head a group of boards may take volumes.
    tell
        Called with one line if a worker is lost.
    """

    def __init__(self, client: Any, *, groups: bool, tell: Callable[[str], None]) -> None:
        self._client = client
        self._resources = {HEAD_RESOURCE: 1} if groups else None
        self._tell = tell
        self._names: Mapping[str, str] = {}
        self._running: dict[Any, Attempt] = {}
        self._done: SimpleQueue[Any] = SimpleQueue()

    def wait_for_workers(self, seconds: float, remedy: str) -> None:
        """Wait until there is a worker.

        Raises
        ------
        EdgesegError
            If none comes in time.
        """
        deadline = time.monotonic() + seconds
        while not self._update_workers():
            if time.monotonic() > deadline:
                raise EdgesegError(f"no worker came within {seconds:.0f} s; {remedy}")
            time.sleep(LOOK_SECONDS / 4)

    def outcomes(self, tasks: Sequence[VolumeTask]) -> Iterator[VolumeOutcome]:
        """Yield the outcome of each volume as soon as it is known.

        Raises
        ------
        EdgesegError
            If the scheduler is lost.
        """
        waiting = deque(map(Attempt, tasks))
        while waiting or self._running:
            workers = self._update_workers()
            while waiting and len(self._running) < len(workers):
                self._submit(waiting.popleft(), workers)
            for attempt, outcome in self._ended():
                retry = self._retry(attempt, outcome)
                if retry is None:
                    yield outcome
                else:
                    waiting.appendleft(retry)

    def release(self) -> None:
        """Let the workers release their boards: the study is over."""
        with suppress(OSError):
            self._client.run(release, workers=list(self._names), on_error="ignore")

    def _update_workers(self) -> tuple[str, ...]:
        """Return the addresses of the workers that may take volumes now."""
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except OSError as error:
            raise _lost_scheduler() from error
        names = {
            address: str(worker["name"])
            for address, worker in workers.items()
            if self._resources is None or HEAD_RESOURCE in worker["resources"]
        }
        for address, name in self._names.items():
            if address not in names:
                self._tell(f"worker {name} was lost; what it had begun is done again")
        self._names = names
        return tuple(names)

    def _submit(self, attempt: Attempt, workers: Sequence[str]) -> None:
        allowed = workers_to_try(attempt.failed_at, workers) if attempt.failed_at else ()
        future = self._client.submit(
            segment_volume,
            attempt.task,
            key=f"edgeseg-volume-{uuid.uuid4().hex}",
            pure=False,
            resources=self._resources,
            workers=list(allowed) or None,
        )
        self._running[future] = attempt
        future.add_done_callback(self._done.put)

    def _ended(self) -> Iterator[tuple[Attempt, VolumeOutcome]]:
        """Yield the volume that ends next, if one does within a second."""
        with suppress(Empty):
            future = self._done.get(timeout=LOOK_SECONDS)
            attempt = self._running.pop(future)
            yield attempt, _outcome(attempt.task, future)

    def _retry(self, attempt: Attempt, outcome: VolumeOutcome) -> Attempt | None:
        """Return another attempt where boards have failed a volume that was not tried enough."""
        if not isinstance(outcome, Failure) or outcome.at is None:
            return None
        failed_at = (*attempt.failed_at, outcome.at)
        if not workers_to_try(failed_at, tuple(self._names)):
            return None
        self._tell(f"{outcome.volume}: {outcome.error}; trying again")
        return Attempt(attempt.task, failed_at)


def _outcome(task: VolumeTask, future: Any) -> VolumeOutcome:
    from distributed import KilledWorker

    if future.status == "finished":
        outcome: VolumeOutcome = future.result()
        return outcome
    if future.status != "error":
        raise _lost_scheduler()
    error = future.exception()
    if isinstance(error, KilledWorker):
        return Failure(
            task.volume,
            f"{error.allowed_failures + 1} workers in turn were lost over it, killed or for want "
            "of memory; give workers more memory, or segment it by itself",
        )
    return Failure(task.volume, f"unexpected {type(error).__name__}: {error}")


def _lost_scheduler() -> EdgesegError:
    return EdgesegError(
        "the connection to the Dask scheduler was lost; run the same command again when it is "
        "back: finished volumes are skipped"
    )
