"""Runs a piece band by band of its rows, so that its activations take the memory of one band."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Bands, Port
from edgeseg.inference.engine_protocol import Engine


class Runner(Protocol):
    """A piece that is loaded."""

    @property
    def seconds(self) -> float:
        """Time of the last inference alone, without the copies in and out."""

    def run(self, arrays: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run once on inputs in file order; returns fresh outputs in file order."""

    def run_on_zeros(self) -> None:
        """Run once on zeros and leave the outputs inside."""


class Described(Protocol):
    """A piece, compiled or from a bundle."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports it makes."""

    @property
    def bands(self) -> Bands | None:
        """How it computes its rows."""


def runner_of(piece: Described, engine: Engine) -> Runner:
    """Let the engine that holds the file of a piece run the piece."""
    if piece.bands is None:
        return engine
    return _BandRunner(engine, piece.outputs, piece.bands)


def band_of(bands: Bands, number: int, arrays: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Yield the rows that one band reads of each input (N, H, W, C), in file order, as views."""
    for array, strips in zip(arrays, bands.inputs, strict=True):
        start = strips.starts[number]
        yield array[:, start : start + strips.rows]


class _BandRunner:
    """Runs a file once a band; of the rows that two bands make, each gives one half."""

    def __init__(self, engine: Engine, outputs: Sequence[Port], bands: Bands) -> None:
        self._engine = engine
        self._outputs = outputs
        self._bands = bands
        self.seconds = 0.0

    def run(self, arrays: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
        whole = list(arrays)
        outputs = [np.empty(port.shape, port.dtype) for port in self._outputs]
        self.seconds = 0.0
        for band in range(self._bands.count):
            self._run_band(band, whole, outputs)
        return outputs

    def run_on_zeros(self) -> None:
        self.seconds = 0.0
        for _ in range(self._bands.count):
            self._engine.run_on_zeros()
            self.seconds += self._engine.seconds

    def _run_band(
        self, band: int, whole: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]
    ) -> None:
        def take(number: int, output: NDArray[Any]) -> None:
            strips = self._bands.outputs[number]
            (start, stop), first = strips.kept[band], strips.starts[band]
            outputs[number][:, start:stop] = output[:, start - first : stop - first]

        self._engine.run_and_show(band_of(self._bands, band, whole), take)
        self.seconds += self._engine.seconds
