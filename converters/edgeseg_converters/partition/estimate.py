"""Estimates of pieces before any is compiled: memory, FLOPs, and the best placement."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from edgeseg.boards.boards_file import Board
from edgeseg.bundle.manifest import Port
from edgeseg.network.graph import ITEM_SIZE, Graph, Tensor
from edgeseg.planning.heuristics.baselines import EvaluatedPlacement as Placed
from edgeseg.planning.heuristics.heuristic_plan import heuristic_plans
from edgeseg.planning.problem.from_pieces import problem_of, problem_of_file
from edgeseg.planning.problem.problem import Problem
from edgeseg.text.units import MIB
from edgeseg_converters.partition.banded import Part, alive_bytes, computed_flops, slimmed
from edgeseg_converters.partition.request import Partition, PartitionRequest
from edgeseg_converters.rewrite.bands import Banding

AMPLE_MEMORY = 2**50
"""Limit of a board of which nothing is known."""

_ACTIVATIONS = 2.4
"""Bytes that the engine takes for each byte alive: tensors, and im2col of convolutions."""

_FIXED = 2 * MIB
"""Bytes of a piece that has next to no weights and activations."""

_WEIGHTS: Mapping[str, str] = {"dynamic": "int8", "int8": "int8"}
"""Type of packed weights by precision, where it is not float32."""


@dataclass(frozen=True)
class Sketch:
    """Estimates of a piece that is yet to be compiled, as planning needs them.

    Of 25 float32 pieces of U-Nets of 128 and 256 pixels, measured on x86, the estimated peak is
    20 % too low to 27 % too high for 22, and up to 61 % too high for three decoder ends.

    Parameters
    ----------
    graph
        Its layers.
    precision
        What it will compute in: ``none`` (float32), ``float16``, ``dynamic`` or ``int8``.
    max_activations
        Bytes that may be alive at once in it: with more it will become several, run in bands.
        None where it is cut already.
    banding
        How it is run in bands, where that is decided.
    """

    graph: Graph
    precision: str = "none"
    max_activations: int | None = None
    banding: Banding | None = None

    @property
    def name(self) -> str:
        """Unique among the pieces."""
        return self.graph.name

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The tensors it reads."""
        return self._ports(self.graph.inputs)

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The tensors it makes for others."""
        return self._ports(self.graph.tensors[name] for name in self.graph.outputs)

    @cached_property
    def flops(self) -> int:
        """FLOPs a slice."""
        return sum(computed_flops(part) for part in self._parts)

    @property
    def peak_memory_bytes(self) -> int:
        """Bytes to load and run it: its weights in the file, and packed, and its activations."""
        largest = max(self._weights(graph) for graph, _ in self._parts)
        return self.resident_memory_bytes + largest

    @cached_property
    def resident_memory_bytes(self) -> int:
        """Bytes that it keeps: packed weights and room for activations."""
        activations = _ACTIVATIONS * sum(alive_bytes(part) for part in self._parts)
        shrunk = ITEM_SIZE["float32"] // ITEM_SIZE[self._dtype]
        return self.weight_bytes + round(activations / shrunk) + _FIXED * len(self._parts)

    @property
    def weight_bytes(self) -> int:
        """Size of its packed weights."""
        return self._weights(self.graph)

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        if self.banding is not None or self.max_activations is None:
            return ((self.graph, self.banding),)
        return slimmed(self.graph, self.max_activations)

    def _weights(self, graph: Graph) -> int:
        return ITEM_SIZE[_WEIGHTS.get(self.precision, "float32")] * graph.parameters

    @property
    def _dtype(self) -> str:
        return "int8" if self.precision == "int8" else "float32"

    def _ports(self, tensors: Iterable[Tensor]) -> tuple[Port, ...]:
        if self._dtype == "int8":
            return tuple(Port(t.name, t.shape, "int8", 1.0, 0) for t in tensors)
        return tuple(Port(t.name, t.shape) for t in tensors)


def estimate(pieces: Partition, request: PartitionRequest) -> Problem:
    """State the problem of placing pieces that are yet to be compiled.

    Seconds come from FLOPs and the boards' speed, memory from weights and activations. Without
    boards there are as many as ways, or two, all alike: one core, gigabit Ethernet, and more
    memory than any network needs.

    Parameters
    ----------
    pieces
        They chain to the network's output.
    request
        Whose boards, ways and precision count.

    Raises
    ------
    UsageError
        If the boards file does not say what memory a board has.
    """
    sketches = [sketch(piece, request) for piece in pieces]
    if request.boards is not None:
        return problem_of_file(request.boards, sketches)
    numbers = range(1, request.parts + 1)
    return problem_of(sketches, [Board(f"board-{number}", AMPLE_MEMORY) for number in numbers])


def sketch(piece: Graph, request: PartitionRequest) -> Sketch:
    """Return the estimates of a piece in the precision of the request."""
    return Sketch(piece, request.precision, request.max_activations)


def forecast(pieces: Partition, request: PartitionRequest) -> Placed | None:
    """Place pieces that are yet to be compiled for the most slices a second.

    Returns
    -------
    EvaluatedPlacement or None
        The best placement that the planner's heuristics find; None if they find none that fits.

    Raises
    ------
    PlacementError
        If a piece fits on no board.
    UsageError
        If the boards file does not say what memory a board has.
    """
    return next(iter(heuristic_plans(estimate(pieces, request))), None)


def crossing_bytes(pieces: Partition, precision: str) -> int:
    """Count the bytes of the tensors that pieces read from each other, each tensor once."""
    sketches = [Sketch(piece, precision) for piece in pieces]
    read = {port.tensor for sketch in sketches for port in sketch.inputs}
    outputs = [port for sketch in sketches for port in sketch.outputs]
    return sum(port.nbytes for port in outputs if port.tensor in read)
