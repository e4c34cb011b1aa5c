"""Planning problems, and what their placements cost, worked out slice by slice in plain loops."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT, Link
from edgeseg.planning.problem.problem import Flow, PieceCost, Problem

MIB = 2**20
FAST_ETHERNET = Link(12.5e6, 12.5e6)
NO_LIMIT = Link(1e15, 1e15)


def make_problem(
    seconds: Sequence[Sequence[float]],
    flows: Sequence[Flow],
    boards: Sequence[Board],
    links: Sequence[Link],
    coordinator: Link = NO_LIMIT,
    *,
    memory: Sequence[tuple[int, int]] | None = None,
) -> Problem:
    """Make a problem of pieces with these seconds by board, and (peak, resident) bytes."""
    memory = memory or [(20, 10)] * len(seconds)
    pieces = tuple(
        PieceCost(f"piece_{number:02d}", tuple(row), *bytes_)
        for number, (row, bytes_) in enumerate(zip(seconds, memory, strict=True))
    )
    order = sorted(range(len(pieces)), key=lambda p: memory[p][1] - memory[p][0])
    return Problem(
        pieces, tuple(flows), tuple(boards), tuple(links), coordinator, loading=tuple(order)
    )


def small_problem(seed: int, most_pieces: int = 6, most_boards: int = 3) -> Problem:
    """Draw pieces that read anything made before them, and boards, tight ones among them."""
    draw = random.Random(seed)
    count, boards = draw.randint(2, most_pieces), draw.randint(1, most_boards)
    readers: list[set[int]] = [{0}] + [set() for _ in range(count)]
    for piece in range(1, count):
        readers[piece].add(piece)
        readers[draw.randint(0, piece)].add(piece)
    flows = [
        Flow(
            name=f"flow_{number}",
            wire_bytes=draw.randint(1, 40),
            held_bytes=draw.randint(1, 40),
            producer=number - 1 if number else None,
            readers=tuple(sorted(piece for piece in read if piece < count)),
            returns=number == count,
        )
        for number, read in enumerate(readers)
    ]
    alike = draw.random() < 0.5
    speeds = [1.0 if alike else draw.uniform(0.3, 3) for _ in range(boards)]
    tight = draw.choice([150, 250, 400, 2000])
    machines = [
        Board(
            f"board_{number}",
            memory_limit=tight if alike else draw.randint(tight // 2, tight * 2),
            base_memory=10,
            cores=1 if alike else draw.randint(1, 2),
        )
        for number in range(boards)
    ]
    rate = draw.choice([10.0, 40.0, 1000.0])
    links = [
        Link(rate, rate, 0.05)
        if alike
        else Link(rate * draw.uniform(0.5, 2), rate * draw.uniform(0.5, 2), draw.uniform(0, 0.3))
        for _ in range(boards)
    ]
    work = [draw.uniform(0.2, 5) for _ in range(count)]
    resident = [draw.randint(1, 60) for _ in range(count)]
    memory = [(resident_bytes + draw.randint(0, 80), resident_bytes) for resident_bytes in resident]
    seconds = [[load / speed for speed in speeds] for load in work]
    return make_problem(seconds, flows, machines, links, memory=memory)


@dataclass(frozen=True)
class Reference:
    """What one assignment costs: seconds of every core and link, of one slice, and bytes."""

    busy: float
    latency: float
    windows: int
    """Most slices in flight within the limits."""
    largest_need: float

    def cost(self, objective: str) -> float:
        """Return what the objective makes least; infinite where it does not fit."""
        if self.windows < 1:
            return math.inf
        if objective == "throughput":
            return max(self.busy, self.latency / self.windows)
        return self.latency if objective == "latency" else self.largest_need


def reference(problem: Problem, boards: Sequence[int]) -> Reference:
    """Work out what an assignment costs, one board after the other."""
    busy = [*_link_seconds(problem, boards)]
    windows, largest = 10**6, 0.0
    for board in set(boards):
        pieces = [p for p, b in enumerate(boards) if b == board]
        machine = problem.boards[board]
        busy.append(sum(problem.pieces[p].seconds[board] for p in pieces) / machine.cores)
        resident_bytes = peak = machine.base_memory
        for p in problem.loading:
            if p in pieces:
                peak = max(peak, resident_bytes + problem.pieces[p].peak_bytes)
                resident_bytes += problem.pieces[p].resident_bytes
        held = sum(f.held_bytes for f in problem.flows if set(f.touched_by) & set(pieces))
        fits = (
            (machine.memory_limit - resident_bytes) // held if peak <= machine.memory_limit else 0
        )
        windows = min(windows, max(fits, 0))
        largest = max(largest, peak, resident_bytes + held)
    return Reference(max(busy), reference_latency(problem, boards), windows, largest)


def _link_seconds(problem: Problem, boards: Sequence[int]) -> Iterator[float]:
    home = len(problem.boards)
    links = (*problem.links, problem.coordinator)
    up, down = [0.0] * (home + 1), [0.0] * (home + 1)
    for flow in problem.flows:
        source = home if flow.producer is None else boards[flow.producer]
        targets = {boards[reader] for reader in flow.readers} | ({home} if flow.returns else set())
        for target in targets - {source}:
            up[source] += flow.wire_bytes / links[source].up
            down[target] += flow.wire_bytes / links[target].down
    yield from (*up, *down)


def reference_latency(problem: Problem, boards: Sequence[int]) -> float:
    """Follow one slice: pieces take cores, tensors take links, in the order of the partition."""
    home = len(problem.boards)
    links = (*problem.links, problem.coordinator)
    up, down = [0.0] * (home + 1), [0.0] * (home + 1)
    cores = [[0.0] * board.cores for board in problem.boards]
    there: dict[tuple[int, int], float] = {}
    for piece in (None, *range(len(problem.pieces))):
        machine, end = home, 0.0
        if piece is not None:
            machine = boards[piece]
            read = [n for n, flow in enumerate(problem.flows) if piece in flow.readers]
            ready = max(there[number, machine] for number in read)
            core = cores[machine].index(min(cores[machine]))
            end = max(ready, cores[machine][core]) + problem.pieces[piece].seconds[machine]
            cores[machine][core] = end
        for number, flow in enumerate(problem.flows):
            if flow.producer != piece:
                continue
            there[number, machine] = end
            for target in [boards[r] for r in flow.readers] + [home] * flow.returns:
                if (number, target) not in there:
                    rate = min(links[machine].up, links[target].down)
                    through = max(end, up[machine], down[target]) + flow.wire_bytes / rate
                    up[machine] = down[target] = through
                    delay = links[machine].latency + links[target].latency
                    there[number, target] = through + delay
    return max(there[n, home] for n, flow in enumerate(problem.flows) if flow.returns)


def assignments(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Yield every way to put the pieces on the boards."""
    return itertools.product(range(len(problem.boards)), repeat=len(problem.pieces))


def unet_problem(
    levels: int,
    boards: Sequence[Board],
    links: Sequence[Link],
    *,
    convs: int = 2,
    size: int = 256,
    width: int = 64,
    flops: float = 20e9,
) -> Problem:
    """Make the U-Net of one piece a convolution: skips, pooled tensors, weights and arenas.

    It has ``levels x (2 x convs + 1) + convs + 1`` pieces; a core of speed 1 does ``flops`` a
    second.
    """
    net = _UNet()
    tensor = net.make(size * size, size * size * 4, None)
    skips, channels, side = [], 1, size
    for level in range(levels + 1):
        wide = width * 2**level
        for _ in range(convs):
            tensor = net.conv([tensor], 9 * channels * wide, side, wide)
            channels = wide
        if level < levels:
            skips.append((tensor, side, wide))
            side //= 2
            pooled = side * side * wide * 4
            tensor = net.make(pooled, pooled, net.producers[tensor])
    for skip, side, wide in reversed(skips):
        tensor = net.conv([tensor], channels * wide, side, wide)
        for number in range(convs):
            inputs = [tensor, skip] if number == 0 else [tensor]
            tensor = net.conv(inputs, 9 * wide * len(inputs), side, wide)
        channels = wide
    net.conv([tensor], 3 * channels, size, 3)
    return net.problem(boards, links, flops)


class _UNet:
    """Pieces and tensors as they are added."""

    def __init__(self) -> None:
        self.flops: list[int] = []
        self.memory: list[tuple[int, int]] = []
        self.producers: list[int | None] = []
        self._sizes: list[tuple[int, int]] = []
        self._readers: list[list[int]] = []

    def make(self, wire: int, held: int, producer: int | None) -> int:
        """Add a tensor and return its number."""
        self._sizes.append((wire, held))
        self._readers.append([])
        self.producers.append(producer)
        return len(self._sizes) - 1

    def conv(self, inputs: list[int], weights: int, side: int, channels: int) -> int:
        """Add a convolution as a piece of its own and return the tensor that it makes."""
        piece = len(self.flops)
        tensor_bytes = side * side * channels * 4
        self.flops.append(2 * weights * side * side)
        resident_bytes = weights * 4 + tensor_bytes + 2 * MIB
        self.memory.append((resident_bytes + tensor_bytes + MIB, resident_bytes))
        for tensor in inputs:
            self._readers[tensor].append(piece)
        return self.make(tensor_bytes, tensor_bytes, piece)

    def problem(self, boards: Sequence[Board], links: Sequence[Link], rate: float) -> Problem:
        """Make the problem; the last tensor is the mask."""
        last = len(self._sizes) - 1
        flows = [
            Flow(f"t{n}", *sizes, self.producers[n], tuple(self._readers[n]), n == last)
            for n, sizes in enumerate(self._sizes)
        ]
        seconds = [[work / rate / board.speed for board in boards] for work in self.flops]
        return make_problem(seconds, flows, boards, links, GIGABIT, memory=self.memory)
