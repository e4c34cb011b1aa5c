"""Checks the tensors that come in from coordinator and boards before the executor holds them."""

from typing import Any

from numpy.typing import NDArray

from edgeseg.codecs.table import most_bytes
from edgeseg.errors import WireError
from edgeseg.imaging.levels import Levels
from edgeseg.imaging.neighbours import stacked
from edgeseg_runtime.board.dataflow.executor import Executor
from edgeseg_runtime.board.memory.held import Encoded, Held
from edgeseg_runtime.messaging.recent_planes import RecentPlanes
from edgeseg_runtime.messaging.wire import (
    Assignment,
    TensorData,
    declared_bytes,
    tensor_array,
    tensor_bytes,
)


class Inbox:
    """Takes in the tensors of one deployment.

    Parameters
    ----------
    assignment
        Says which tensors are read here, and their shapes and types.
    executor
        Holds what is taken in.
    """

    def __init__(self, assignment: Assignment, executor: Executor) -> None:
        self._epoch = assignment.epoch
        self._image = assignment.input
        self._how = assignment.preprocessing
        self._recent: dict[int, RecentPlanes[Levels]] = {
            routes.lane: RecentPlanes(self._how.planes) for routes in assignment.routes
        }
        self._sources = {port.tensor: port for port in assignment.sources}
        self._codecs = {routes.lane: routes.codecs for routes in assignment.routes}
        self._executor = executor

    def payload_limit(self, data: TensorData) -> int:
        """Return the bytes of a tensor that is awaited; 0 for any other."""
        if data.job.epoch != self._epoch:
            return 0
        try:
            if self._is_stack(data):
                self._require_levels(data, (*data.shape[:1], *self._how.size))
                awaited = len(data.planes) <= self._how.planes and data.shape[0] <= len(data.planes)
            else:
                self._check(data)
                awaited = not self._executor.is_done(data.job.slice)
        except WireError:
            return 0
        reads = self._executor.reads(data.job.lane, data.tensor)
        return declared_bytes(data) if awaited and reads else 0

    def accept(self, data: TensorData, payload: memoryview) -> bool:
        """Take in a tensor; one of another epoch, or of a slice that is done, is dropped.

        Returns
        -------
        bool
            Whether it was taken in.

        Raises
        ------
        WireError
            If its shape, type or codec is not what is read, or there are more slices than may be
            in flight.
        """
        if data.job.epoch != self._epoch:
            return False
        self._require_agreed_codec(data)
        is_stack = self._is_stack(data)
        # A stack is taken in even of a slice that is done: its sender counts on these planes.
        held: Held | None = self._stack(data, payload) if is_stack else None
        if self._executor.is_done(data.job.slice):
            return False
        if held is None:
            self._check(data)
            held = self._held(data, payload)
        self._executor.offer(data.job, data.tensor, held)
        return True

    def _is_stack(self, data: TensorData) -> bool:
        return data.tensor == self._image and self._how.planes > 1

    def _stack(self, data: TensorData, payload: memoryview) -> NDArray[Any]:
        """Return the levels (N, H, W) of neighbouring slices, most of which are here already."""
        recent = self._recent.get(data.job.lane)
        if recent is None or len(data.planes) != self._how.planes:
            raise WireError(
                f"the image of slice {data.job.slice} is of {len(data.planes)} slices in lane "
                f"{data.job.lane}; {self._how.planes} are read"
            )
        missing = recent.missing(data.planes)
        self._require_levels(data, (len(missing), *self._how.size))
        levels = tensor_array(data.dtype, data.shape, payload) if missing else ()
        # A view would keep all of the message for as long as one of its planes is held.
        added = {number: plane.copy() for number, plane in zip(missing, levels, strict=True)}
        return stacked(recent.use(data.planes, added))

    def _held(self, data: TensorData, payload: memoryview) -> Held:
        """Return the tensor as it came; one that is encoded is decoded where it is read."""
        if data.codec == "none":
            return tensor_array(data.dtype, data.shape, payload)
        most = most_bytes(tensor_bytes(data.dtype, data.shape))
        if len(payload) > most:
            raise WireError(f"{data.tensor} is encoded in {len(payload)} bytes, more than {most}")
        return Encoded(data.codec, payload, data.shape, data.dtype)

    def _require_agreed_codec(self, data: TensorData) -> None:
        agreed = self._codecs.get(data.job.lane, {}).get(data.tensor, "none")
        if data.codec not in {"none", agreed}:
            raise WireError(f"{data.tensor} comes as {data.codec}, {agreed} was agreed on")

    def _check(self, data: TensorData) -> None:
        source = self._sources.get(data.tensor)
        if data.tensor == self._image:
            self._require_levels(data, self._how.size)
        elif source is not None and (source.shape, source.dtype) != (data.shape, data.dtype):
            raise WireError(
                f"{data.tensor} is {data.dtype} of shape {data.shape}, "
                f"{source.dtype} of shape {source.shape} is read"
            )

    def _require_levels(self, data: TensorData, shape: tuple[int, ...]) -> None:
        if (data.shape, data.dtype) != (shape, self._how.level_type):
            raise WireError(
                f"the image of slice {data.job.slice} is {data.dtype} of shape {data.shape}, "
                f"{self._how.level_type} of shape {shape} is read"
            )
