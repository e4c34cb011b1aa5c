"""Runs one step on one slice in a thread: inputs prepared, pieces run, outputs kept or decoded."""

import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Piece, Port
from edgeseg.codecs.names import NONE, CodecName
from edgeseg.errors import EdgesegError, WireError
from edgeseg.imaging.levels import to_input
from edgeseg.inference.banded import Runner
from edgeseg.inference.quantization import adapt
from edgeseg_runtime.board.dataflow.decoder import Decoder
from edgeseg_runtime.board.dataflow.executor import Firing, Tensors
from edgeseg_runtime.board.memory.held import Encoded, Held, Spooled, encoded
from edgeseg_runtime.board.memory.spool import Spool
from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterSet
from edgeseg_runtime.messaging.wire import PieceTime

_Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class StepResult:
    """The tensors that leave a step, by name, and the time of each piece, by name."""

    outputs: Tensors
    times: Mapping[str, PieceTime]


class StepRunner:
    """Runs steps; safe in any thread.

    Parameters
    ----------
    sources
        The port that makes each tensor, by tensor name: int8 values mean something only
        together with the scale of the piece that made them.
    image
        Name of the tensor that comes in levels, (H, W) or a stack (N, H, W).
    decoder
        Decodes the output of the model.
    spool
        Where tensors wait for steps that are not in memory; None where all steps are.
    reader_counts
        How many steps read each tensor.
    codecs
        By lane, the codec of each tensor that leaves this board encoded.
    """

    def __init__(  # noqa: PLR0913, PLR0917 the parts that meet here
        self,
        sources: Mapping[str, Port],
        image: str,
        decoder: Decoder,
        spool: Spool | None,
        reader_counts: Mapping[str, int],
        codecs: Mapping[int, Mapping[str, CodecName]],
    ) -> None:
        self._sources = sources
        self._image = image
        self._decoder = decoder
        self._spool = spool
        self._reader_counts = reader_counts
        self._codecs = codecs

    def run(self, interpreters: InterpreterSet, firing: Firing) -> StepResult:
        """Run the pieces of a step in turn; its inputs are taken out of the firing.

        Raises
        ------
        EdgesegError
            If a tensor can't be decoded, encoded or spooled.
        """
        pieces = firing.step.pieces
        held: _Arrays = {}
        outputs: Tensors = {}
        times = {}
        for number, (piece, runner) in enumerate(zip(pieces, interpreters, strict=True)):
            start = time.perf_counter()
            for port in piece.inputs:
                if port.tensor not in held:
                    held[port.tensor] = self._load(port.tensor, firing.inputs.pop(port.tensor))
            read_later = {port.tensor for later in pieces[number + 1 :] for port in later.inputs}
            arrays = self._run_piece(runner, piece, held, read_later)
            held |= {tensor: array for tensor, array in arrays.items() if tensor in read_later}
            for tensor in tuple(arrays):  # each is freed once it is encoded, decoded or on disk
                outputs |= self._leaving(firing, piece, tensor, arrays.pop(tensor))
            busy = time.perf_counter() - start
            times[piece.name] = PieceTime(1, runner.seconds, busy)
        return StepResult(outputs, times)

    def synthetic_inputs(self, piece: Piece) -> Tensors:
        """Return an array for each input of a piece, in the form in which the piece is sent it."""
        return {port.tensor: _synthetic(self._sources[port.tensor]) for port in piece.inputs}

    def close(self) -> None:
        """Remove the tensors on disk."""
        if self._spool is not None:
            self._spool.close()

    def _run_piece(
        self, runner: Runner, piece: Piece, held: _Arrays, read_later: AbstractSet[str]
    ) -> _Arrays:
        """Run a piece; an input that is not read later is freed before inference takes memory."""
        names = (port.tensor for port in piece.outputs)
        return dict(zip(names, runner.run(self._inputs(piece, held, read_later)), strict=True))

    def _inputs(
        self, piece: Piece, held: _Arrays, read_later: AbstractSet[str]
    ) -> Iterator[NDArray[Any]]:
        for port in piece.inputs:
            name = port.tensor
            array = held[name] if name in read_later else held.pop(name)
            yield adapt(array, self._sources[name], port)
            del array  # or it would live until the next one is asked for

    def _load(self, tensor: str, held: Held) -> NDArray[Any]:
        """Return a tensor as an array: decoded, read from disk, or an image scaled to its range."""
        if isinstance(held, Encoded):
            try:
                return held.array()
            except WireError as error:
                raise WireError(f"{tensor}: {error}") from None
        if isinstance(held, Spooled):
            if self._spool is None:
                raise RuntimeError(f"{tensor} is on disk, and there is no spool")
            return self._spool.take(held)
        is_image = tensor == self._image and held.dtype.kind == "u"
        return to_input(held, self._decoder.preprocessing) if is_image else held

    def _leaving(self, firing: Firing, piece: Piece, tensor: str, array: NDArray[Any]) -> Tensors:
        """Return a tensor in the form in which it leaves the step; nothing if it stays inside."""
        if tensor == self._decoder.output.tensor:
            return {tensor: self._decoder.decode(array, firing.job.geometry)}
        if self._spool is None:
            codec = self._codecs.get(firing.job.lane, {}).get(tensor, NONE)
            try:
                return {tensor: encoded(array, codec)}
            except EdgesegError as error:
                raise EdgesegError(f"{piece.name} makes {tensor}: {error}") from None
        readers = self._reader_counts.get(tensor, 0)
        return {tensor: self._spool.put(array, readers)} if readers else {}


def _synthetic(port: Port) -> NDArray[Any]:
    """Repeat 256 values: random ones would take a module, and with it memory."""
    ramp = np.arange(-128, 128, dtype=np.int8)
    return np.resize(
        ramp if port.dtype == "int8" else np.linspace(0, 1, 256, dtype=np.float32), port.shape
    )
