"""Bytes that pieces and slices take on a board, as pure functions of the manifest."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from edgeseg.bundle.manifest import Manifest, Piece, Port
from edgeseg.codecs.names import CodecName
from edgeseg.codecs.table import most_bytes
from edgeseg.codecs.table import working_bytes as codec_bytes

SEALING = 2
"""Times its size that a message takes beside itself while it is encrypted: plain, and sealed."""

_ADAPTING = 8
"""Bytes a value while int8 becomes float32 or the reverse, beside both."""

_DECODING = 12
"""Bytes a value while probabilities become a mask, beside two for every channel."""


class Loadable(Protocol):
    """A piece, compiled or yet to be compiled, and the memory it takes."""

    @property
    def peak_memory_bytes(self) -> int:
        """Most bytes that loading and running it takes."""

    @property
    def resident_memory_bytes(self) -> int:
        """Bytes that it keeps between runs."""


class Flowing(Protocol):
    """A piece, compiled or yet to be compiled, and the tensors that pass through it."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports it reads."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports it makes."""


_Loadable = TypeVar("_Loadable", bound=Loadable)
_Tensor = TypeVar("_Tensor", bound=Hashable)


def slice_bytes(manifest: Manifest, pieces: frozenset[str]) -> int:
    """Return the most bytes of tensors that one slice can keep alive on a board.

    All tensors that the board's pieces read or make count once, in the larger type where one is
    read in another: a received tensor is held until its last reader has run, one that is made
    until it is sent.

    Parameters
    ----------
    manifest
        That of the bundle.
    pieces
        Names of the pieces that the board runs.
    """
    return tensor_bytes(
        port
        for piece in manifest.pieces
        if piece.name in pieces
        for port in (*piece.inputs, *piece.outputs)
    )


def tensor_bytes(ports: Iterable[Port]) -> int:
    """Return the bytes of all tensors of some ports: each once, in its largest type."""
    sizes: dict[str, int] = {}
    for port in ports:
        sizes[port.tensor] = max(sizes.get(port.tensor, 0), port.nbytes)
    return sum(sizes.values())


def waiting_bytes(manifest: Manifest, shifts: Sequence[Sequence[str]]) -> int:
    """Return the most bytes of one slice that wait on disk between two groups of pieces.

    The image is not among them: it comes again for each group.

    Parameters
    ----------
    manifest
        That of the bundle.
    shifts
        Names of the pieces of each group, in the order in which they take turns in memory.
    """
    shift_of = {name: number for number, shift in enumerate(shifts) for name in shift}
    waiting = [0] * max(len(shifts), 1)
    for piece in manifest.pieces if shifts else ():
        for port in piece.outputs:
            readers = (reader for reader in manifest.pieces if port.tensor in _inputs_of(reader))
            last = max((shift_of[reader.name] for reader in readers), default=0)
            for boundary in range(shift_of[piece.name], last):
                waiting[boundary] += port.nbytes
    return max(waiting)


def peak_tensor_bytes(pieces: Sequence[Piece]) -> int:
    """Return the most bytes of tensors while pieces run one after the other on one slice.

    A tensor is held from its first reader to its last; one that only others read goes at once.
    """
    return peak_tensor_bytes_of(_flows_of(pieces))


def peak_tensor_bytes_of(
    flows: Sequence[tuple[Mapping[_Tensor, int], Mapping[_Tensor, int]]],
) -> int:
    """Return the same as :func:`peak_tensor_bytes`, for pieces given by their tensors.

    Parameters
    ----------
    flows
        For each piece, bytes of the tensors that it reads, and of those that it makes.
    """
    alive: dict[_Tensor, int] = {}
    peak = 0
    for number, (inputs, outputs) in enumerate(flows):
        alive |= {**inputs, **outputs}
        peak = max(peak, sum(alive.values()))
        needed = {tensor for later_inputs, _ in flows[number + 1 :] for tensor in later_inputs}
        alive = {tensor: size for tensor, size in alive.items() if tensor in needed}
    return peak


def working_bytes(
    pieces: Iterable[Flowing],
    sources: Mapping[str, Port],
    image: str,
    output: str,
    image_bytes: int = 0,
) -> int:
    """Return the most bytes that one core takes to convert tensors, beside pieces and tensors.

    Parameters
    ----------
    pieces
        What it runs.
    sources
        The port that makes each tensor that they read.
    image, output
        Names of the tensors that travel in whole levels.
    image_bytes
        Of an image as it is received, where that is more than a byte a value.
    """
    return max(
        max(_adapting_bytes(piece, sources, image, image_bytes), _decoding_bytes(piece, output))
        for piece in pieces
    )


def coding_bytes(pieces: Sequence[Flowing], codecs: Mapping[str, CodecName]) -> int:
    """Return the most bytes that one core takes to decode its inputs and encode its outputs.

    A payload takes the place of its tensor in :func:`slice_bytes`. While a piece runs there may
    be both: of each tensor in turn, and all the while of those that wait encoded for another
    piece too.

    Parameters
    ----------
    pieces
        What a board runs.
    codecs
        The codec of each tensor that passes between boards encoded, by its name.
    """
    return coding_bytes_of(_flows_of(pieces), codecs)


def coding_bytes_of(
    flows: Sequence[tuple[Mapping[str, int], Mapping[str, int]]], codecs: Mapping[str, CodecName]
) -> int:
    """Return the same as :func:`coding_bytes`, for pieces given by their tensors.

    Parameters
    ----------
    flows
        For each piece, bytes of the tensors that it reads, and of those that it makes.
    codecs
        As for :func:`coding_bytes`.
    """
    readers = Counter(tensor for inputs, _ in flows for tensor in inputs)
    most = 0
    for inputs, outputs in flows:
        sizes = {name: size for name, size in {**inputs, **outputs}.items() if name in codecs}
        if not sizes:
            continue
        payload = {name: most_bytes(size) for name, size in sizes.items()}
        waiting = {name for name in payload if name in inputs and readers[name] > 1}
        passing = max((payload[name] for name in payload if name not in waiting), default=0)
        codec = max(codec_bytes(codecs[name], size) for name, size in sizes.items())
        most = max(most, sum(payload[name] for name in waiting) + passing + codec)
    return most


def peak_board_bytes(pieces: Sequence[Piece], in_flight_bytes: int) -> int:
    """Return the most bytes that pieces and slices take; slices come once all pieces are loaded.

    Parameters
    ----------
    pieces
        What the board runs; it loads them in :func:`loading_order`.
    in_flight_bytes
        Bytes of the tensors of all slices in flight.
    """
    resident = peak = 0
    for piece in loading_order(pieces):
        peak = max(peak, resident + piece.peak_memory_bytes)
        resident += piece.resident_memory_bytes
    return max(peak, resident + in_flight_bytes)


def loading_order(pieces: Iterable[_Loadable]) -> list[_Loadable]:
    """Return pieces in the order in which loading one after the other has the smallest peak.

    The piece that takes most beyond what it keeps goes first, while little else is in memory.
    """
    return sorted(
        pieces,
        key=lambda piece: piece.peak_memory_bytes - piece.resident_memory_bytes,
        reverse=True,
    )


def _flows_of(pieces: Iterable[Flowing]) -> list[tuple[dict[str, int], dict[str, int]]]:
    """Return for each piece the bytes of the tensors that it reads, and of those that it makes."""
    return [
        ({p.tensor: p.nbytes for p in piece.inputs}, {p.tensor: p.nbytes for p in piece.outputs})
        for piece in pieces
    ]


def _inputs_of(piece: Piece) -> frozenset[str]:
    return frozenset(port.tensor for port in piece.inputs)


def _adapting_bytes(
    piece: Flowing, sources: Mapping[str, Port], image: str, image_bytes: int
) -> int:
    """Return the bytes of inputs that are held in another type or scale as well."""
    received = sum(
        max(image_bytes, math.prod(port.shape)) for port in piece.inputs if port.tensor == image
    )
    adapted = [port for port in piece.inputs if port != sources[port.tensor]]
    temporary = max((_ADAPTING * math.prod(port.shape) for port in adapted), default=0)
    return received + sum(port.nbytes for port in adapted) + temporary


def _decoding_bytes(piece: Flowing, output: str) -> int:
    """Return the bytes of probabilities, and of each channel on the slice's own smaller grid."""
    ports = (port for port in piece.outputs if port.tensor == output)
    return sum((2 * port.shape[-1] + _DECODING) * math.prod(port.shape) for port in ports)
