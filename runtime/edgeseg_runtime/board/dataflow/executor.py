"""Which step fires next: dataflow over slices, no board left waiting. No threads, no sockets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgeseg.errors import WireError
from edgeseg_runtime.board.memory.spool import Held
from edgeseg_runtime.board.pieces.steps import Step
from edgeseg_runtime.messaging.wire import Job, Routes

Tensors = dict[str, Held]

_REMEMBERED = 4096
"""Slices that are done of which each is known; older ones count as done altogether."""


@dataclass(frozen=True)
class Firing:
    """A step whose inputs for one slice are all there."""

    job: Job
    step: Step
    inputs: Tensors


class Executor:
    """Holds the tensors of the slices in flight on one board and says what can run.

    Invariants:

    - a tensor is held from its arrival until its last reader on this board has fired;
    - a step fires once a slice, when every tensor that it reads is held;
    - of several steps that may fire, the one with most handovers ahead goes first, since another
      board waits for it or will; of equals that of the oldest slice, and within a slice the one
      that stands first in the partition;
    - of each lane there are never more slices than its window, and none that was done before.

    Parameters
    ----------
    steps
        The steps of this board by name, in the order of the partition.
    routes
        Which pieces run in each lane, and how many slices may be in flight there.
    """

    def __init__(self, steps: Mapping[str, Step], routes: Mapping[int, Routes]) -> None:
        self._lanes = {
            lane: tuple(step for name, step in steps.items() if name in route.pieces)
            for lane, route in routes.items()
        }
        self._ahead = {
            (lane, step.name): max(route.handovers.get(p.name, 0) for p in step.pieces)
            for lane, route in routes.items()
            for step in self._lanes[lane]
        }
        self._windows = {lane: route.window for lane, route in routes.items()}
        self._held: dict[int, Tensors] = {}
        self._jobs: dict[int, Job] = {}
        self._fired: dict[int, set[str]] = {}
        self._done: set[int] = set()
        self._all_done_below = 0
        self.slices_passed = 0
        """Slices on which every step here has fired."""

    @property
    def slices_held(self) -> int:
        """How many slices have something here."""
        return len(self._jobs)

    @property
    def full(self) -> bool:
        """Whether no more slices may come before one is done."""
        return len(self._jobs) >= sum(self._windows.values())

    @property
    def held_bytes(self) -> int:
        """Size in memory of all tensors held."""
        return sum(value.nbytes for held in self._held.values() for value in held.values())

    @property
    def ready(self) -> dict[str, int]:
        """On how many slices each step may fire now; only those that may."""
        counts: dict[str, int] = {}
        for _, step, _ in self._ready():
            counts[step.name] = counts.get(step.name, 0) + 1
        return counts

    def reads(self, lane: int, tensor: str) -> bool:
        """Tell whether a step here reads the tensor in that lane."""
        return any(tensor in step.reads for step in self._lanes.get(lane, ()))

    def is_done(self, slice_index: int) -> bool:
        """Tell whether every step here has fired on the slice."""
        return slice_index < self._all_done_below or slice_index in self._done

    def offer(self, job: Job, tensor: str, value: Held) -> None:
        """Take in a tensor of a slice.

        Raises
        ------
        WireError
            If no step here reads it in that lane, the slice is done, or the lane is full.
        """
        if not self.reads(job.lane, tensor):
            raise WireError(f"no piece here reads {tensor} in lane {job.lane}")
        if job.slice not in self._jobs:
            self._admit(job)
        elif self._jobs[job.slice] != job:
            raise WireError(f"slice {job.slice} is here already, and is another")
        if tensor in self._held[job.slice]:
            raise WireError(f"{tensor} of slice {job.slice} is here already")
        self._held[job.slice][tensor] = value

    def _admit(self, job: Job) -> None:
        if job.slice < 0 or self.is_done(job.slice):
            raise WireError(f"slice {job.slice} is done")
        if sum(other.lane == job.lane for other in self._jobs.values()) >= self._windows[job.lane]:
            raise WireError(
                f"lane {job.lane} has {self._windows[job.lane]} slices in flight, all it may have"
            )
        self._jobs[job.slice], self._held[job.slice], self._fired[job.slice] = job, {}, set()

    def next(self, idle: frozenset[str]) -> Firing | None:
        """Return the firing that goes next among idle steps, and mark it as fired."""
        for job, step, inputs in self._ready():
            if step.name in idle:
                self._fire(job, step)
                return Firing(job, step, inputs)
        return None

    def _ready(self) -> Iterator[tuple[Job, Step, Tensors]]:
        """Yield what may fire, in the order in which it should."""
        may_fire = [
            (self._jobs[slice_index], step)
            for slice_index in sorted(self._jobs)
            for step in self._lanes[self._jobs[slice_index].lane]
            if self._may_fire(slice_index, step)
        ]
        may_fire.sort(key=lambda pair: -self._ahead[pair[0].lane, pair[1].name])
        for job, step in may_fire:
            held = self._held[job.slice]
            yield job, step, {tensor: held[tensor] for tensor in step.reads}

    def _may_fire(self, slice_index: int, step: Step) -> bool:
        fired = step.name in self._fired[slice_index]
        return not fired and step.reads <= self._held[slice_index].keys()

    def _fire(self, job: Job, step: Step) -> None:
        fired, held = self._fired[job.slice], self._held[job.slice]
        fired.add(step.name)
        waiting = [other for other in self._lanes[job.lane] if other.name not in fired]
        wanted = frozenset().union(*(other.reads for other in waiting))
        for tensor in set(held) - wanted:
            del held[tensor]
        if not waiting:
            del self._jobs[job.slice], self._held[job.slice], self._fired[job.slice]
            self.slices_passed += 1
            self._remember(job.slice)

    def _remember(self, slice_index: int) -> None:
        """Note that a slice is done; of many, the older half is one number."""
        self._done.add(slice_index)
        if len(self._done) > _REMEMBERED:
            self._all_done_below = sorted(self._done)[_REMEMBERED // 2]
            self._done = {done for done in self._done if done >= self._all_done_below}
