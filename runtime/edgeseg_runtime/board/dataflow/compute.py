"""One step on one slice, in a work thread: tensors fetched, pieces run, results kept or decoded."""

import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Piece, Port
from edgeseg.imaging.slices import to_input
from edgeseg.inference.banded import Runner
from edgeseg.inference.quantization import adapt
from edgeseg_runtime.board.dataflow.decoder import Decoder
from edgeseg_runtime.board.dataflow.executor import Firing, Tensors
from edgeseg_runtime.board.memory.spool import Held, Spool, Spooled
from edgeseg_runtime.board.pieces.pool import InterpreterSet
from edgeseg_runtime.messaging.wire import PieceTime

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Computed:
    """What one firing made, and how long each piece took."""

    outputs: Tensors
    times: Mapping[str, PieceTime]


class Computer:
    """Runs steps; safe in any thread.

    Parameters
    ----------
    sources
        The port that makes each tensor, by tensor name: int8 values mean something only
        together with the scale of the piece that made them.
    image
        Name of the tensor that comes as an 8-bit image (H, W).
    decoder
        For what the model makes.
    spool
        Where tensors wait for steps that are not loaded, if there are such.
    readers
        How many steps read each tensor.
    """

    def __init__(
        self,
        sources: Mapping[str, Port],
        image: str,
        decoder: Decoder,
        spool: Spool | None,
        readers: Mapping[str, int],
    ) -> None:
        self._sources = sources
        self._image = image
        self._decoder = decoder
        self._spool = spool
        self._readers = readers

    def compute(self, crew: InterpreterSet, firing: Firing) -> Computed:
        """Run the pieces of a step in turn, and take their inputs out of the firing.

        Raises
        ------
        EdgesegError
            If a tensor can't be spooled.
        """
        pieces = firing.step.pieces
        here: Arrays = {}
        outputs: Tensors = {}
        times = {}
        for number, (piece, runner) in enumerate(zip(pieces, crew, strict=True)):
            start = time.perf_counter()
            for port in piece.inputs:
                if port.tensor not in here:
                    here[port.tensor] = self._fetched(port.tensor, firing.inputs.pop(port.tensor))
            wanted = {port.tensor for later in pieces[number + 1 :] for port in later.inputs}
            made = self._run(runner, piece, here, wanted)
            for tensor, array in made.items():
                outputs |= self._leaving(firing, tensor, array)
            here |= {tensor: array for tensor, array in made.items() if tensor in wanted}
            busy = time.perf_counter() - start
            times[piece.name] = PieceTime(1, runner.seconds, busy)
        return Computed(outputs, times)

    def made_up(self, piece: Piece) -> Tensors:
        """Make up tensors such as reach a piece."""
        return {port.tensor: _made_up(self._sources[port.tensor]) for port in piece.inputs}

    def _run(self, runner: Runner, piece: Piece, here: Arrays, wanted: AbstractSet[str]) -> Arrays:
        """Run one piece; what is not wanted after it is gone before its inference takes memory."""
        names = (port.tensor for port in piece.outputs)
        return dict(zip(names, runner.run(self._handed(piece, here, wanted)), strict=True))

    def _handed(
        self, piece: Piece, here: Arrays, wanted: AbstractSet[str]
    ) -> Iterator[NDArray[Any]]:
        for port in piece.inputs:
            name = port.tensor
            array = here[name] if name in wanted else here.pop(name)
            yield adapt(array, self._sources[name], port)
            del array  # or it would live until the next one is asked for

    def _fetched(self, tensor: str, held: Held) -> NDArray[Any]:
        if isinstance(held, Spooled):
            if self._spool is None:
                raise RuntimeError(f"{tensor} is on disk, and there is no spool")
            return self._spool.take(held)
        is_image = tensor == self._image and held.dtype == np.uint8
        return to_input(held, self._decoder.preprocessing) if is_image else held

    def _leaving(self, firing: Firing, tensor: str, array: NDArray[Any]) -> Tensors:
        """Return a tensor as it leaves the step, if it does."""
        if tensor == self._decoder.output.tensor:
            return {tensor: self._decoder.decode(array, firing.job.geometry)}
        if self._spool is None:
            return {tensor: array}
        readers = self._readers.get(tensor, 0)
        return {tensor: self._spool.put(array, readers)} if readers else {}


def _made_up(port: Port) -> NDArray[Any]:
    """Repeat 256 values: random ones would take a module, and with it memory."""
    steps = np.arange(-128, 128, dtype=np.int8)
    return np.resize(
        steps if port.dtype == "int8" else np.linspace(0, 1, 256, dtype=np.float32), port.shape
    )
