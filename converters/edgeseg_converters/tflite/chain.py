"""Runs pieces one after the other, as boards will, on a few slices at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Port
from edgeseg.inference.banded import Runner, runner_of
from edgeseg.inference.engine import open_engine
from edgeseg.inference.quantization import adapt
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.tflite.export import Compiled


@dataclass(frozen=True)
class Value:
    """A tensor's array, and the port that made it."""

    port: Port
    array: NDArray[Any]

    def at(self, port: Port) -> NDArray[Any]:
        """Return the array as another port reads it."""
        return adapt(self.array, self.port, port)


LiveTensors: TypeAlias = dict[str, Value]
"""The tensors of one slice that are still needed, by name."""


class Ported(Protocol):
    """A piece, compiled or from a bundle: what it reads and makes, in the order of the file."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports it reads."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports it makes."""


def stages(pieces: Sequence[Compiled], images: Sequence[ModelInput]) -> Iterator[list[LiveTensors]]:
    """Yield, before the first piece and after each one, the tensors alive for every slice.

    One piece is loaded at a time, and a tensor is dropped after its last reader.

    Parameters
    ----------
    pieces
        In order; the first reads the image.
    images
        Model inputs, (1, H, W, C) each.
    """
    image = pieces[0].graph.inputs[0]
    port = Port(image.name, image.shape)
    alive = [{image.name: Value(port, array)} for array in images]
    yield alive
    yield from stages_after(pieces, alive)


def stages_after(
    pieces: Sequence[Compiled], alive: list[LiveTensors]
) -> Iterator[list[LiveTensors]]:
    """Yield, after each piece, the tensors alive for every slice; the first reads ``alive``."""
    for index, piece in enumerate(pieces):
        needed = needed_after(pieces, index)
        runner = runner_of(piece, open_engine(piece.model))
        alive = [advance(piece, runner, tensors, needed) for tensors in alive]
        yield alive


def outputs_of(
    pieces: Sequence[Compiled], images: Sequence[ModelInput]
) -> list[NDArray[np.float32]]:
    """Run every image through all pieces.

    Parameters
    ----------
    pieces
        In order.
    images
        Model inputs, (1, H, W, C) each.

    Returns
    -------
    list of ndarray
        Probabilities, (1, H, W, channels) float32, one array an image.
    """
    *_, last = stages(pieces, images)
    return probabilities(pieces, last)


def probabilities(
    pieces: Sequence[Ported], last: Sequence[LiveTensors]
) -> list[NDArray[np.float32]]:
    """Return the output of the last piece for every slice, (1, H, W, C), in float32."""
    output = pieces[-1].outputs[-1]
    plain = Port(output.tensor, output.shape)
    return [alive[output.tensor].at(plain) for alive in last]


def needed_after(pieces: Sequence[Ported], index: int) -> set[str]:
    """Name the tensors that pieces after this one read, and the output."""
    later = {port.tensor for piece in pieces[index + 1 :] for port in piece.inputs}
    return later | {pieces[-1].outputs[-1].tensor}


def advance(piece: Ported, runner: Runner, alive: LiveTensors, needed: set[str]) -> LiveTensors:
    """Run one piece on the tensors of a slice.

    Parameters
    ----------
    piece
        What is run.
    runner
        Its engine.
    alive
        Tensors of the slice that are still needed, by name.
    needed
        Names of those needed afterwards.

    Returns
    -------
    LiveTensors
        Those still needed, new ones included.
    """
    outputs = runner.run([alive[port.tensor].at(port) for port in piece.inputs])
    fresh = {
        port.tensor: Value(port, array) for port, array in zip(piece.outputs, outputs, strict=True)
    }
    return {name: value for name, value in (alive | fresh).items() if name in needed}
