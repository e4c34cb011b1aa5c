"""Checks the tensors that come in from coordinator and boards before the executor holds them."""

from edgeseg.errors import WireError
from edgeseg_runtime.board.dataflow.executor import Executor
from edgeseg_runtime.messaging.wire import Assignment, TensorData, tensor_array


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
        how = assignment.preprocessing
        self._image_type = how.level_type
        self._image_shape = how.size if how.planes == 1 else (how.planes, *how.size)
        self._sources = {port.tensor: port for port in assignment.sources}
        self._executor = executor

    def accept(self, data: TensorData, payload: memoryview) -> bool:
        """Take in a tensor; one of another epoch, or of a slice that is done, is dropped.

        Returns
        -------
        bool
            Whether it was taken in.

        Raises
        ------
        WireError
            If its shape or type is not what is read, or there are more slices than may be in
            flight.
        """
        if data.job.epoch != self._epoch or self._executor.is_done(data.job.slice):
            return False
        array = tensor_array(data.dtype, data.shape, payload)
        self._check(data)
        self._executor.offer(data.job, data.tensor, array)
        return True

    def _check(self, data: TensorData) -> None:
        source = self._sources.get(data.tensor)
        if data.tensor == self._image:
            if (data.shape, data.dtype) != (self._image_shape, self._image_type):
                raise WireError(
                    f"the image of slice {data.job.slice} is {data.dtype} of shape {data.shape}, "
                    f"{self._image_type} of shape {self._image_shape} is read"
                )
        elif source is not None and (source.shape, source.dtype) != (data.shape, data.dtype):
            raise WireError(
                f"{data.tensor} is {data.dtype} of shape {data.shape}, "
                f"{source.dtype} of shape {source.shape} is read"
            )
