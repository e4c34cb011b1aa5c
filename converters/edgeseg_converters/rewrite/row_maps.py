"""How a layer of a graph treats the rows of an image, or why its rows can't be divided."""

from collections.abc import Sequence

from edgeseg.bundle.manifest import ROW_AXIS
from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.layers.rows import RowMap

_IMAGE_AXES = 4


def row_map(graph: Graph, layer: Layer) -> RowMap | str:
    """Work out how a layer treats rows.

    Parameters
    ----------
    graph
        The graph that holds the tensors the layer reads.
    layer
        A layer of that graph.

    Returns
    -------
    RowMap or str
        Its arithmetic, or why its rows can't be divided. An input of one row that is spread over
        all rows is read whole, whatever the arithmetic says.
    """
    heights = [rows_of(graph.tensors[name].shape) for name in layer.inputs]
    made_height = rows_of(layer.output.shape)
    if None in heights or made_height is None:
        return "has no rows"
    return kind_of(layer.kind).rows(layer.config, max(filter(None, heights)), made_height)


def rows_of(shape: Sequence[int]) -> int | None:
    """Count the rows of a tensor (N, H, W, C); None if it is no image."""
    return shape[ROW_AXIS] if len(shape) == _IMAGE_AXES else None
