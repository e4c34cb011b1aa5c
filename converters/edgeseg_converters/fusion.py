"""Which layers TFLite fuses into one operation, and so must stay in one piece.

A cut inside such a group would keep the numbers right but not the bits: a batch norm folded
into a kernel rounds differently from one that is computed for itself.
"""

from collections.abc import Iterator

from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.layers.kind import Fusion, KernelLayout
from edgeseg_converters.layers.operators import SCALINGS
from edgeseg_converters.layers.registry import kind_of


def fused_groups(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Return the units that no cut may split, in topological order.

    A layer joins the one that makes its input when nobody else reads that tensor and TFLite
    may fuse the two: padding + convolution, scaling + padding, anything + activation, convolution
    or scaling + scaling, and scaling + the convolution behind it; a product of x joins its factor
    where the two are a hard swish, and a dense layer the one before whose bias it takes in. Only
    the last tensor leaves a group; it is convex, and groups ordered by their last layer are
    ordered topologically.

    Parameters
    ----------
    graph
        The network or a piece.

    Returns
    -------
    tuple of tuple of str
        Names of the layers of each group.
    """
    group: dict[str, list[str]] = {}
    for layer in graph.layers:
        members: list[str] = []
        for partner in _partners(graph, layer):
            members += (name for name in group[partner] if name not in members)
        members = [*sorted(members, key=graph.position.__getitem__), layer.name]
        group |= dict.fromkeys(members, members)
    chains = {id(members): tuple(members) for members in group.values()}
    return tuple(sorted(chains.values(), key=lambda chain: graph.position[chain[-1]]))


def _partners(graph: Graph, layer: Layer) -> tuple[str, ...]:
    """Name the layers whose groups this one joins."""
    if layer.kind == "Multiply":
        return _hard_swish(graph, layer)
    if takes_in_sums(layer):
        return _added_before(graph, layer)
    if len(layer.inputs) != 1 or layer.inputs[0] not in graph.position:
        return ()
    producer = graph.layer(layer.inputs[0])
    fuses = _is_alone(graph, producer, layer) and _fuses(producer, layer)
    return (producer.name,) if fuses else ()


def _is_alone(graph: Graph, producer: Layer, reader: Layer) -> bool:
    """Tell whether nobody else reads what a layer makes."""
    return graph.consumers[producer.name] == (reader.name,) and producer.name not in graph.outputs


def _fuses(producer: Layer, consumer: Layer) -> bool:
    scaled = ends_in_scaling(producer)
    match role_of(consumer):
        case Fusion.CONVOLUTION:
            return scaled or role_of(producer) is Fusion.PADDING
        case Fusion.PADDING:
            return scaled
        case Fusion.SCALING:
            hard_swish = producer.kind == "Multiply"
            return scaled or hard_swish or role_of(producer) is Fusion.CONVOLUTION
        case role:
            return role is Fusion.ACTIVATION


def role_of(layer: Layer) -> Fusion:
    """Return the part that a layer plays: its kind's, for an operator that of its function."""
    if layer.kind != "Operator" or layer.config["function"] not in SCALINGS:
        return kind_of(layer.kind).fusion
    constant = any("input" not in known for known in layer.config["operands"])
    return Fusion.SCALING if constant else Fusion.NONE


def ends_in_scaling(layer: Layer) -> bool:
    """Tell whether the last thing that TFLite computes of a layer is a product with a constant."""
    scaled = layer.kind == "Average" or layer.config.get("activation") == "hard_sigmoid"
    return scaled or role_of(layer) is Fusion.SCALING


def _hard_swish(graph: Graph, product: Layer) -> tuple[str, ...]:
    """Name the layers between x and the product of ``x * relu6(x + 3) / 6``, if it is one."""
    first, *_, second = product.inputs
    for name, other in ((first, second), (second, first)):
        chain = [*_chain(graph, name, product)]
        if chain and chain[-1].inputs == (other,) and any(map(_is_relu6, chain)):
            return tuple(layer.name for layer in chain)
    return ()


def _added_before(graph: Graph, product: Layer) -> tuple[str, ...]:
    """Name the layer whose sum a product takes in, and those between, if nobody else reads any."""
    between = _sum_before(graph, product)
    read = zip(between, (product, *between), strict=False)
    alone = all(_is_alone(graph, layer, reader) for layer, reader in read)
    return tuple(layer.name for layer in between) if alone else ()


def takes_a_shared_sum(graph: Graph, product: Layer) -> bool:
    """Tell whether a product of matrices would take in a sum that others read too."""
    if not takes_in_sums(product) or not _sum_before(graph, product):
        return False
    return not _added_before(graph, product)


def _sum_before(graph: Graph, product: Layer) -> tuple[Layer, ...]:
    """Return the layers, backwards, up to the one with a constant sum that a product takes in.

    TFLite moves the bias of a layer without activation through a reshape into the next product.
    There are none where something else is before it.
    """
    between: list[Layer] = []
    name = product.inputs[0]
    while name in graph.position:
        layer = graph.layer(name)
        between.append(layer)
        if _ends_in_sum(layer):
            return tuple(between)
        if not _is_reshape(layer):
            break
        name = layer.inputs[0]
    return ()


def takes_in_sums(layer: Layer) -> bool:
    """Tell whether TFLite may move a constant sum into a layer, through a product of matrices."""
    return kind_of(layer.kind).kernel in {KernelLayout.MATRIX, KernelLayout.PROJECTION}


def _ends_in_sum(layer: Layer) -> bool:
    """Tell whether the last thing that TFLite computes of a layer is constant but for its input."""
    linear = layer.config.get("activation") == "linear" and layer.config.get("use_bias", False)
    return ends_in_scaling(layer) or (role_of(layer) is Fusion.CONVOLUTION and linear)


def _is_reshape(layer: Layer) -> bool:
    """Tell whether a layer changes the shape alone of what it reads."""
    operator = layer.kind == "Operator" and layer.config["function"] == "reshape"
    return operator or layer.kind in {"Flatten", "Reshape"}


def _chain(graph: Graph, name: str, reader: Layer) -> Iterator[Layer]:
    """Yield the layers, backwards, that nobody but the next one reads."""
    while name in graph.position:
        layer = graph.layer(name)
        if len(layer.inputs) != 1 or not _is_alone(graph, layer, reader):
            return
        if role_of(layer) not in {Fusion.ACTIVATION, Fusion.SCALING}:
            return
        yield layer
        name, reader = layer.inputs[0], layer


def _is_relu6(layer: Layer) -> bool:
    activation = layer.config.get("activation")
    return activation in {"hard_sigmoid", "relu6"} or layer.config.get("max_value") == _SIX


_SIX = 6
