"""Divides the rows of a piece into bands that one file computes one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeseg.bundle.manifest import MAX_BANDS, Bands, Strips
from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.layers.cost import graph_cost, peak_live_bytes
from edgeseg_converters.layers.rows import RowMap, Rows, Shift
from edgeseg_converters.rewrite.row_maps import row_map, rows_of

MAX_OVERLAP = 0.25
"""Share of its rows that a piece may compute twice; beyond, bands cost more than they save."""


@dataclass(frozen=True)
class Banding:
    """A piece in bands.

    Attributes
    ----------
    graph
        The piece as it is for one band: the same layers, fewer rows.
    rows, starts
        Rows of every band, and the first one of each, of the tensors that have fewest rows.
    factors
        Rows of each tensor for each of those.
    """

    graph: Graph
    rows: int
    starts: tuple[int, ...]
    factors: Mapping[str, int]

    @property
    def flops(self) -> int:
        """What all bands compute, rows that two of them need twice."""
        return len(self.starts) * graph_cost(self.graph).flops

    def bands(self, inputs: Sequence[str], outputs: Sequence[str]) -> Bands:
        """Return the strips of these inputs and outputs, in their order."""
        return Bands(tuple(map(self.strips, inputs)), tuple(map(self.strips, outputs)))

    def strips(self, tensor: str) -> Strips:
        """Return the rows of a tensor that each band covers."""
        factor = self.factors[tensor]
        return Strips(factor * self.rows, tuple(factor * start for start in self.starts))


def in_bands(graph: Graph, limit_bytes: int) -> Banding | None:
    """Divide the rows of a piece into the fewest bands that keep to a limit of live bytes.

    All bands are alike, so that one file makes them all: it pads each as if it were an image, and
    the rows at an edge that is none of the image's are not those of the image. Bands overlap by
    as many, which are computed twice. Where no number of bands keeps to the limit, the one that
    comes nearest is taken.

    Parameters
    ----------
    graph
        A piece.
    limit_bytes
        Bytes that may be alive at once within it.

    Returns
    -------
    Banding or None
        None where there is nothing to gain, or its rows can't be divided: a layer needs them all,
        shifts them, or is to compute too many of them twice.
    """
    arithmetic = _arithmetic(graph)
    if arithmetic is None or peak_live_bytes(graph) <= limit_bytes:
        return None
    best = None
    for count in range(2, MAX_BANDS + 1):
        banding = arithmetic.banding(count)
        if banding is None:
            break
        best = banding
        if peak_live_bytes(banding.graph) <= limit_bytes:
            break
    return best


@dataclass(frozen=True)
class _Arithmetic:
    """How the rows of a piece depend on each other."""

    graph: Graph
    maps: Mapping[str, RowMap]
    factors: Mapping[str, int]
    height: int

    def banding(self, count: int) -> Banding | None:
        """Return as many bands that overlap as little as may be, None if that is too much."""
        for overlap in range(self.height):
            rows = -(-(self.height + overlap * (count - 1)) // count)
            if rows * count > (1 + MAX_OVERLAP) * self.height:
                return None
            last = self.height - rows
            starts = tuple(min(band * (rows - overlap), last) for band in range(count))
            distinct = len(set(starts)) == count
            if distinct and all(self._fits(Rows(start, start + rows)) for start in starts):
                banding = Banding(self._graph_of(rows), rows, starts, self.factors)
                if self._is_right(banding):
                    return banding
        return None

    def _fits(self, band: Rows) -> bool:
        """Tell whether every layer maps the rows of the band to the rows of the band."""
        return all(
            rows.align(self._of(layer.inputs[0], band)) == self._of(layer.inputs[0], band)
            and rows.makes(self._of(layer.inputs[0], band)) == self._of(layer.name, band)
            for layer in self.graph.layers
            for rows in [self.maps[layer.name]]
        )

    def _is_right(self, banding: Banding) -> bool:
        """Tell whether the rows kept of every band are those that the whole image gives."""
        for number, start in enumerate(banding.starts):
            right = self._right_rows(Rows(start, start + banding.rows))
            strips = {name: banding.strips(name).kept[number] for name in self.graph.outputs}
            if not all(right[name].holds(Rows(*rows)) for name, rows in strips.items()):
                return False
        return True

    def _right_rows(self, band: Rows) -> Mapping[str, Rows]:
        """Return the rows of each tensor that a band makes as the whole image would."""
        right = {tensor.name: self._of(tensor.name, band) for tensor in self.graph.inputs}
        for layer in self.graph.layers:
            right_inputs = right[layer.inputs[0]]
            for name in layer.inputs[1:]:
                right_inputs = right_inputs.meet(right[name])
            rows, outputs = self.maps[layer.name], self._of(layer.name, band)
            right[layer.name] = _rows_from(rows, outputs, right_inputs)
        return right

    def _of(self, tensor: str, band: Rows) -> Rows:
        factor = self.factors[tensor]
        return Rows(factor * band.start, factor * band.stop)

    def _graph_of(self, rows: int) -> Graph:
        def cropped(tensor: Tensor) -> Tensor:
            batch, _, *others = tensor.shape
            return replace(tensor, shape=(batch, rows * self.factors[tensor.name], *others))

        layers = (replace(layer, output=cropped(layer.output)) for layer in self.graph.layers)
        return replace(
            self.graph, inputs=tuple(map(cropped, self.graph.inputs)), layers=tuple(layers)
        )


def _rows_from(rows: RowMap, outputs: Rows, inputs: Rows) -> Rows:
    """Return those of the output rows that depend on the given input rows alone."""
    start, stop = outputs.start, outputs.stop
    while start < stop and not inputs.holds(rows.reads(Rows(start, start + 1))):
        start += 1
    while start < stop and not inputs.holds(rows.reads(Rows(stop - 1, stop))):
        stop -= 1
    return Rows(start, stop)


def _arithmetic(graph: Graph) -> _Arithmetic | None:
    """Work out how the rows of a piece depend on each other, None if they can't be divided."""
    heights = {name: rows_of(tensor.shape) for name, tensor in graph.tensors.items()}
    image_heights = [height for height in heights.values() if height is not None]
    coarsest = min(image_heights, default=0)
    if len(image_heights) < len(heights) or any(height % coarsest for height in image_heights):
        return None
    maps = {layer.name: _plain(graph, layer) for layer in graph.layers}
    plain = {name: rows for name, rows in maps.items() if rows is not None}
    if len(plain) < len(maps):
        return None
    factors = {name: (height or 0) // coarsest for name, height in heights.items()}
    return _Arithmetic(graph, plain, factors, coarsest)


def _plain(graph: Graph, layer: Layer) -> RowMap | None:
    """Return the arithmetic of a layer that is the same wherever a band lies."""
    rows = row_map(graph, layer)
    if not isinstance(rows, RowMap) or isinstance(rows, Shift):
        return None
    alike = all(rows_of(graph.tensors[name].shape) == rows.height for name in layer.inputs)
    return rows if alike else None
