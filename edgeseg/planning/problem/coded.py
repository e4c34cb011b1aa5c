"""The problem as it is once the lanes of a plan send tensors encoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edgeseg.boards.memory_use import coding_bytes_of
from edgeseg.boards.placement import Lane
from edgeseg.codecs.names import CodecName
from edgeseg.planning.problem.problem import Flow, Problem


@dataclass(frozen=True)
class CodedFlow:
    """A tensor that a lane sends encoded.

    Parameters
    ----------
    flow
        The tensor as it is.
    codec
        How it is sent.
    wire_bytes
        Bytes of its payload.
    core_seconds
        What encoding it once, and decoding it for each of its readers, takes of their cores.
    """

    flow: Flow
    codec: CodecName
    wire_bytes: int
    core_seconds: float


def coded_problem(problem: Problem, lanes: Sequence[Lane]) -> Problem:
    """Return a problem with what the codecs of its lanes save and cost.

    Encoding adds to the seconds of the piece that makes a tensor, decoding to those of each piece
    that reads it, on the boards where the lanes put them; working memory is that of the board
    that needs most.

    Parameters
    ----------
    problem
        With the bytes of tensors as they are.
    lanes
        No board is in two.
    """
    codecs = {tensor: codec for lane in lanes for tensor, codec in lane.codecs.items()}
    if not codecs:
        return problem
    added: dict[tuple[int, int], float] = {}
    for lane in lanes:
        for _, piece, board, seconds in _costs(problem, lane):
            added[piece, board] = added.get((piece, board), 0.0) + seconds
    return replace(
        problem,
        pieces=tuple(
            replace(
                piece,
                seconds=tuple(s + added.get((n, b), 0.0) for b, s in enumerate(piece.seconds)),
            )
            for n, piece in enumerate(problem.pieces)
        ),
        flows=tuple(
            smaller(flow, codecs[flow.name]) if flow.name in codecs else flow
            for flow in problem.flows
        ),
        working_bytes=problem.working_bytes + max(_working(problem, lane) for lane in lanes),
    )


def coded_flows(problem: Problem, lane: Lane) -> tuple[CodedFlow, ...]:
    """Return the tensors that a lane sends encoded."""
    core_seconds: dict[str, float] = {}
    for flow, _, _, seconds in _costs(problem, lane):
        core_seconds[flow.name] = core_seconds.get(flow.name, 0.0) + seconds
    return tuple(
        CodedFlow(
            flow,
            lane.codecs[flow.name],
            smaller(flow, lane.codecs[flow.name]).wire_bytes,
            core_seconds[flow.name],
        )
        for flow in problem.flows
        if flow.name in lane.codecs
    )


def smaller(flow: Flow, codec: CodecName) -> Flow:
    """Return a tensor with the bytes that a codec makes of it; all of them if nobody knows it."""
    ratio = dict(flow.ratios).get(codec, 1.0)
    return replace(flow, wire_bytes=max(1, round(flow.wire_bytes * ratio)))


def _costs(problem: Problem, lane: Lane) -> Iterator[tuple[Flow, int, int, float]]:
    """Yield flow, piece, board and seconds for each time that a tensor is encoded or decoded."""
    row = _row(problem, lane)
    paces = [{pace.codec: pace for pace in board.codecs} for board in problem.boards]
    for flow in problem.flows:
        codec = lane.codecs.get(flow.name)
        if codec is None:
            continue
        if flow.producer is not None:
            board = row[flow.producer]
            yield flow, flow.producer, board, flow.wire_bytes * paces[board][codec].encode
        for reader in flow.readers:
            board = row[reader]
            yield flow, reader, board, flow.wire_bytes * paces[board][codec].decode


def _working(problem: Problem, lane: Lane) -> int:
    """Return the bytes that a core takes to encode and decode, on the board that needs most."""
    row, codecs = _row(problem, lane), lane.codecs
    sizes: list[tuple[dict[str, int], dict[str, int]]] = [({}, {}) for _ in row]
    for flow in problem.flows:
        for reader in flow.readers:
            sizes[reader][0][flow.name] = flow.held_bytes
        if flow.producer is not None:
            sizes[flow.producer][1][flow.name] = flow.held_bytes
    return max(
        coding_bytes_of([pair for pair, at in zip(sizes, row, strict=True) if at == board], codecs)
        for board in set(row)
    )


def _row(problem: Problem, lane: Lane) -> list[int]:
    number = {board.name: n for n, board in enumerate(problem.boards)}
    return [number[lane.boards[piece.name]] for piece in problem.pieces]
