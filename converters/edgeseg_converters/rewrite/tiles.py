"""Replaces layers by row tiles: every tile becomes layers of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgeseg.bundle.manifest import ROW_AXIS
from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.layers.rows import RowMap, Rows, Shift
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.row_maps import row_map, rows_of
from edgeseg_converters.rewrite.tile_padding import (
    Padding,
    explicit_padding,
    rows_of_padded,
    without_padding,
)


@dataclass(frozen=True)
class Tiling:
    """Which rows of which tensors are whose, a range a tile.

    Attributes
    ----------
    ways
        Number of tiles.
    own
        Of each tensor that is made in tiles: ranges that follow one another and cover it.
    computed
        Of the same tensors: the rows that a tile computes.
    needed
        Of each tensor that a tile reads: the rows that its readers need. What a tile needs and
        does not compute comes from the tiles that own it.
    homes
        Of layers that run whole: the tile beside which they do; others have a place of their own.
    """

    ways: int
    own: Mapping[str, tuple[Rows, ...]]
    computed: Mapping[str, tuple[Rows, ...]]
    needed: Mapping[str, tuple[Rows, ...]]
    homes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Place:
    """When and where a layer runs.

    Attributes
    ----------
    stage
        How many times its rows, or those they depend on, went from one place to another.
    tile
        Number of its tile; the number of tiles for a layer that runs whole and has no home.
    """

    stage: int
    tile: int


@dataclass(frozen=True)
class Tiled:
    """A network whose rows are divided, and the place of each of its layers."""

    network: Network
    places: Mapping[str, Place]


def tile_rows(network: Network, tiling: Tiling) -> Tiled:
    """Rewrite a network such that tiles make its rows; it computes the same.

    A tile is padded where the image is; see :mod:`edgeseg_converters.rewrite.tile_padding`.
    Layers of which that can't be said, such as strided ones, keep their settings: at an edge that
    is none of the image's they make rows of no use, which nobody reads, and no copy is spent on
    cutting off.

    Layers are called ``conv.rows0``, rows that are passed on ``conv.rows0.14-16``, those put
    together ``conv.rows1.joined``; a tensor that whole layers read, or that leaves the network,
    is put together under its own name, or as ``conv.whole1`` at the home of its reader.

    Parameters
    ----------
    network
        Graph and weights.
    tiling
        Which rows are whose.
    """
    builder = _Builder(network.graph, tiling)
    layers = builder.build()
    graph = replace(network.graph, layers=layers)
    weights = dict(network.weights)
    for layer, original in builder.origins.items():
        weights[layer] = network.weights[original]
    own = {layer.name: weights[layer.name] for layer in layers if layer.weights}
    return Tiled(Network(graph, own), {name: builder.places[name] for name in graph.position})


class _Builder:
    """The layers so far, where they run, and which rows their tensors are."""

    def __init__(self, graph: Graph, tiling: Tiling) -> None:
        self._graph, self._tiling = graph, tiling
        self._layers: dict[str, Layer] = {}
        self._rows: dict[str, Rows] = {}
        self._maps = {
            layer.name: rows
            for layer in graph.layers
            if layer.name in tiling.computed and isinstance(rows := row_map(graph, layer), RowMap)
        }
        self._tensors = {tensor.name: tensor for tensor in graph.inputs}
        self.places: dict[str, Place] = {}
        self.origins: dict[str, str] = {}

    def build(self) -> tuple[Layer, ...]:
        for layer in self._graph.layers:
            if layer.name in self._maps:
                for tile in range(self._tiling.ways):
                    self._tile(layer, tile)
            else:
                self._whole(layer)
        for tensor in self._graph.outputs:
            self._gather(tensor, self._tiling.ways)
        return _alive(self._layers, self._graph.outputs)

    def _whole(self, layer: Layer) -> None:
        home = self._tiling.homes.get(layer.name, self._tiling.ways)
        inputs = tuple(self._gather(tensor, home) for tensor in layer.inputs)
        self._append(replace(layer, inputs=inputs), home)

    def _gather(self, tensor: str, home: int) -> str:
        """Put a tensor together from what each tile owns of it, where it is not whole anyway."""
        whole = tensor if home == self._tiling.ways else f"{tensor}.whole{home}"
        if tensor in self._tensors or whole in self._tensors:
            return tensor if tensor in self._tensors else whole
        parts = [
            self._crop(_name(tensor, tile), rows, tile)
            for tile, rows in enumerate(self._tiling.own[tensor])
        ]
        self._join(whole, parts, home)
        return whole

    def _tile(self, layer: Layer, tile: int) -> None:
        """Append what one tile computes of a layer."""
        rows = self._maps[layer.name]
        whole = [self._is_spread(tensor, rows) for tensor in layer.inputs]
        held = [
            self._gather(tensor, self._tiling.ways) if is_whole else self._held(tensor, tile)
            for tensor, is_whole in zip(layer.inputs, whole, strict=True)
        ]
        reads = self._fitting(
            [name for name, is_whole in zip(held, whole, strict=True) if not is_whole],
            layer.name,
            tile,
        )
        inputs = tuple(
            name if is_whole else self._crop(name, reads, tile)
            for name, is_whole in zip(held, whole, strict=True)
        )
        name, makes = _name(layer.name, tile), rows.makes(reads)
        settings = _settings(layer, rows, reads)
        padding = explicit_padding(layer, rows, reads)
        if padding is not None:
            inputs = (self._pad(f"{name}.padded", inputs[0], padding, tile),)
            makes, settings = rows_of_padded(rows, reads), without_padding(settings)
        tensor = Tensor(name, _shape(layer.output, makes), layer.output.dtype)
        self._append(replace(layer, name=name, inputs=inputs, output=tensor, config=settings), tile)
        self._rows[name] = makes
        if layer.weights:
            self.origins[name] = layer.name

    def _pad(self, name: str, source: str, padding: Padding, tile: int) -> str:
        tensor = self._tensors[source]
        batch, height, width, channels = tensor.shape
        (above, below), (left, right) = padding
        shape = (batch, height + above + below, width + left + right, channels)
        config = {"padding": [[above, below], [left, right]]}
        output = Tensor(name, shape, tensor.dtype)
        self._append(Layer(name, "ZeroPadding2D", (source,), output, config), tile)
        return name

    def _fitting(self, held: list[str], layer: str, tile: int) -> Rows:
        """Choose the rows that a layer is to read: all that are there, if they fit."""
        rows = self._maps[layer]
        common = self._rows[held[0]]
        for name in held[1:]:
            common = common.meet(self._rows[name])
        if rows.align(common) == common:
            return common
        return rows.align(rows.reads(self._tiling.computed[layer][tile]))

    def _is_spread(self, tensor: str, reader: RowMap) -> bool:
        """Tell whether a tensor's one row is spread over all rows of the others."""
        return (rows_of(self._graph.tensors[tensor].shape) or 1) < reader.height

    def _held(self, tensor: str, tile: int) -> str:
        """Name the tensor of a tile that has all rows its readers need."""
        needed = self._tiling.needed[tensor][tile]
        if tensor not in self._maps:
            self._rows[tensor] = Rows(0, rows_of(self._graph.tensors[tensor].shape) or 1)
            maker = self.places.get(tensor)
            return self._crop(tensor, needed, maker.tile if maker else tile)
        if self._tiling.computed[tensor][tile].holds(needed):
            return _name(tensor, tile)
        owners = enumerate(self._tiling.own[tensor])
        shares = [(owner, rows.meet(needed)) for owner, rows in owners]
        parts = [
            self._crop(_name(tensor, owner), rows, owner) for owner, rows in shares if rows.count
        ]
        if len(parts) == 1:
            return parts[0]
        joined = f"{_name(tensor, tile)}.joined"
        if joined not in self._tensors:
            self._join(joined, parts, tile)
            self._rows[joined] = needed
        return joined

    def _crop(self, source: str, rows: Rows, tile: int) -> str:
        """Name a tensor that has just these rows of another."""
        present = self._rows[source]
        if present == rows:
            return source
        name = f"{source}.{rows.start}-{rows.stop}"
        if name not in self._tensors:
            cropping = [[rows.start - present.start, present.stop - rows.stop], [0, 0]]
            tensor = self._tensors[source]
            output = Tensor(name, _shape(tensor, rows), tensor.dtype)
            self._append(Layer(name, "Cropping2D", (source,), output, {"cropping": cropping}), tile)
            self._rows[name] = rows
        return name

    def _join(self, name: str, parts: list[str], tile: int) -> None:
        first = self._tensors[parts[0]]
        rows = sum(self._rows[part].count for part in parts)
        output = Tensor(name, _shape(first, Rows(0, rows)), first.dtype)
        self._append(Layer(name, "Concatenate", tuple(parts), output, {"axis": ROW_AXIS}), tile)

    def _append(self, layer: Layer, tile: int) -> None:
        sources = [self.places[name] for name in layer.inputs if name in self.places]
        stage = max((place.stage + (place.tile != tile) for place in sources), default=0)
        self._layers[layer.name] = layer
        self._tensors[layer.name] = layer.output
        self.places[layer.name] = Place(stage, tile)


def _name(tensor: str, tile: int) -> str:
    return f"{tensor}.rows{tile}"


def _shape(tensor: Tensor, rows: Rows) -> tuple[int, ...]:
    return (tensor.shape[0], rows.count, *tensor.shape[2:])


def _settings(layer: Layer, rows: RowMap, tile: Rows) -> Mapping[str, Any]:
    """Return a layer's settings for a tile; only a shift of rows has others than the whole."""
    if not isinstance(rows, Shift):
        return layer.config
    ((key, (_, columns)),) = layer.config.items()
    before, after = rows.edges(tile)
    return {key: [[abs(before), abs(after)], columns]}


def _alive(layers: Mapping[str, Layer], outputs: Iterable[str]) -> tuple[Layer, ...]:
    """Leave out layers that nobody reads."""
    read = set(outputs)
    for layer in reversed(list(layers.values())):
        if layer.name in read:
            read.update(layer.inputs)
    return tuple(layer for layer in layers.values() if layer.name in read)
