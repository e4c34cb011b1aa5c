"""Says which step fires next on which slice. No threads, no sockets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgeseg.errors import WireError
from edgeseg_runtime.board.memory.held import Held
from edgeseg_runtime.board.pieces.steps import Step
from edgeseg_runtime.messaging.wire import Job, Routes

Tensors = dict[str, Held]

_REMEMBERED = 4096
"""So many of the last slices are known one by one; all before them count as done."""


@dataclass(frozen=True)
class Firing:
    """A step that is to run on a slice, and its inputs."""

    job: Job
    step: Step
    inputs: Tensors


class Executor:
    """Holds the tensors of the slices in flight on one board and says which step fires next.

    Invariants:

    - a tensor is held from its arrival until its last reader on this board has fired;
    - a step fires once a slice, when every tensor that it reads is held;
    - of several steps that may fire, the one with most handovers ahead fires first, since another
      board waits for it or will; of equals that of the oldest slice, and within a slice the one
      that stands first in the partition;
    - a lane never has more slices than may be in flight there, and none that was done before.

    Parameters
    ----------
    steps
        The steps of this board by name, in the order of the partition.
    routes
        By lane, which pieces run there and how many slices may be in flight (``window``).
    """

    def __init__(self, steps: Mapping[str, Step], routes: Mapping[int, Routes]) -> None:
        self._lanes = {
            lane: tuple(step for name, step in steps.items() if name in route.pieces)
            for lane, route in routes.items()
        }
        self._handovers_ahead = {
            (lane, step.name): max(route.handovers.get(p.name, 0) for p in step.pieces)
            for lane, route in routes.items()
            for step in self._lanes[lane]
        }
        self._in_flight_limits = {lane: route.window for lane, route in routes.items()}
        self._held: dict[int, Tensors] = {}
        self._jobs: dict[int, Job] = {}
        self._fired: dict[int, set[str]] = {}
        self._done: set[int] = set()
        self._all_done_below = 0
        self.slices_passed = 0
        """Slices on which every step here has fired."""

    @property
    def slices_held(self) -> int:
        """How many slices have a tensor here."""
        return len(self._jobs)

    @property
    def full(self) -> bool:
        """Whether as many slices are here as may be in flight."""
        return len(self._jobs) >= sum(self._in_flight_limits.values())

    @property
    def held_bytes(self) -> int:
        """Bytes in memory of all tensors held."""
        return sum(value.nbytes for held in self._held.values() for value in held.values())

    @property
    def ready(self) -> dict[str, int]:
        """On how many slices each step may fire now; steps that may not are left out."""
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
        """Hold a tensor of a slice.

        Raises
        ------
        WireError
            If no step here reads it in that lane, it is held already, the slice is done, or as
            many slices as may be in flight are in the lane.
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
        limit = self._in_flight_limits[job.lane]
        if sum(other.lane == job.lane for other in self._jobs.values()) >= limit:
            raise WireError(f"lane {job.lane} has {limit} slices in flight, all it may have")
        self._jobs[job.slice], self._held[job.slice], self._fired[job.slice] = job, {}, set()

    def next(self, idle: frozenset[str]) -> Firing | None:
        """Return what fires next among idle steps, and mark it as fired; None if nothing can."""
        for job, step, inputs in self._ready():
            if step.name in idle:
                self._fire(job, step)
                return Firing(job, step, inputs)
        return None

    def _ready(self) -> Iterator[tuple[Job, Step, Tensors]]:
        """Yield every step that may fire, with its slice and inputs, in order of precedence."""
        may_fire = [
            (self._jobs[slice_index], step)
            for slice_index in sorted(self._jobs)
            for step in self._lanes[self._jobs[slice_index].lane]
            if self._may_fire(slice_index, step)
        ]
        may_fire.sort(key=lambda pair: -self._handovers_ahead[pair[0].lane, pair[1].name])
        for job, step in may_fire:
            held = self._held[job.slice]
            yield job, step, {tensor: held[tensor] for tensor in step.reads}

    def _may_fire(self, slice_index: int, step: Step) -> bool:
        fired = step.name in self._fired[slice_index]
        return not fired and step.reads <= self._held[slice_index].keys()

    def _fire(self, job: Job, step: Step) -> None:
        fired, held = self._fired[job.slice], self._held[job.slice]
        fired.add(step.name)
        unfired = [other for other in self._lanes[job.lane] if other.name not in fired]
        read_later = frozenset().union(*(other.reads for other in unfired))
        for tensor in set(held) - read_later:
            del held[tensor]
        if not unfired:
            del self._jobs[job.slice], self._held[job.slice], self._fired[job.slice]
            self.slices_passed += 1
            self._remember(job.slice)

    def _remember(self, slice_index: int) -> None:
        """Note that a slice is done; of many, the older half is one number."""
        self._done.add(slice_index)
        if len(self._done) > _REMEMBERED:
            self._all_done_below = sorted(self._done)[_REMEMBERED // 2]
            self._done = {done for done in self._done if done >= self._all_done_below}
