"""The problem as it is once the lanes of a plan send tensors encoded."""

from collections.abc import Iterator, Mapping, Sequence
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
        for piece, board, seconds in _costs(problem, lane):
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
    return tuple(
        CodedFlow(
            flow,
            lane.codecs[flow.name],
            smaller(flow, lane.codecs[flow.name]).wire_bytes,
            sum(seconds for _, _, seconds in _flow_costs(problem, lane, flow)),
        )
        for flow in problem.flows
        if flow.name in lane.codecs
    )


def smaller(flow: Flow, codec: CodecName) -> Flow:
    """Return a tensor with the bytes that a codec makes of it; all of them if nobody knows it."""
    ratio = dict(flow.ratios).get(codec, 1.0)
    return replace(flow, wire_bytes=max(1, round(flow.wire_bytes * ratio)))


def _costs(problem: Problem, lane: Lane) -> Iterator[tuple[int, int, float]]:
    """Yield piece, board and seconds for each time that a tensor is encoded or decoded."""
    for flow in problem.flows:
        if flow.name in lane.codecs:
            yield from _flow_costs(problem, lane, flow)


def _flow_costs(problem: Problem, lane: Lane, flow: Flow) -> Iterator[tuple[int, int, float]]:
    row, codec = _row(problem, lane), lane.codecs[flow.name]
    paces = [{pace.codec: pace for pace in board.codecs} for board in problem.boards]
    if flow.producer is not None:
        board = row[flow.producer]
        yield flow.producer, board, flow.wire_bytes * paces[board][codec].encode
    for reader in flow.readers:
        yield reader, row[reader], flow.wire_bytes * paces[row[reader]][codec].decode


def _working(problem: Problem, lane: Lane) -> int:
    """Return the bytes that a core takes to encode and decode, on the board that needs most."""
    row = _row(problem, lane)
    return max(
        coding_bytes_of(
            [
                (_sizes(problem, piece, made=False), _sizes(problem, piece, made=True))
                for piece in range(len(row))
                if row[piece] == board
            ],
            lane.codecs,
        )
        for board in set(row)
    )


def _sizes(problem: Problem, piece: int, *, made: bool) -> Mapping[str, int]:
    return {
        flow.name: flow.held_bytes
        for flow in problem.flows
        if (flow.producer == piece if made else piece in flow.readers)
    }


def _row(problem: Problem, lane: Lane) -> list[int]:
    number = {board.name: n for n, board in enumerate(problem.boards)}
    return [number[lane.boards[piece.name]] for piece in problem.pieces]
