"""Reads a Keras 3 or tf_keras model into a graph and its weights."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from edgeseg.errors import ModelError, field_name
from edgeseg.network.graph import Graph, Layer, Tensor, WeightSpec
from edgeseg_converters.keras.generations import (
    TensorKey,
    arguments_of,
    graph_of,
    is_built_in,
    is_keras_2,
    is_tensor,
    key_of,
    layers_of,
    maker_of,
    nodes_of,
    operator_of,
    outputs_of,
    tensors_in,
)
from edgeseg_converters.keras.instead import instead_of
from edgeseg_converters.keras.layer_parts import layer_outcome, operands_of
from edgeseg_converters.keras.layer_settings import canonical_config
from edgeseg_converters.keras.operators.call import OperatorCall, named_arguments, operands_in
from edgeseg_converters.keras.operators.translate import translate, way_out
from edgeseg_converters.keras.parts import Arrays, Known, Operand, Outcome, Part
from edgeseg_converters.keras.quiet import quiet
from edgeseg_converters.keras.rebuild import apply, class_of, placeholder, scope_name
from edgeseg_converters.layers.registry import layer_kinds
from edgeseg_converters.network import Network, without_unread

KerasShape: TypeAlias = tuple[int, ...]

_IMAGE_RANK = 4


def read_network(model: Any, input_shape: KerasShape | None = None) -> Network:
    """Read a Functional or Sequential model into a graph with weights, batch size one.

    Nested models are flattened (``outer/inner``), layers that act only in training are left out,
    and operators between layers become the layers they equal. Each call of a layer is one of its
    own (``conv.call2``), with the same weights. Shapes come from running the layers symbolically
    on the input's shape, so a model saved for another size can be read too.

    Parameters
    ----------
    model
        A Keras 3 or tf_keras model.
    input_shape
        (H, W) or (H, W, C) to read the model at, instead of the shape it was saved with.

    Returns
    -------
    Network
        The graph, and float32 weights in the order of each layer's ``get_weights()``.

    Raises
    ------
    ModelError
        If the model has no layer graph, several inputs or outputs, no image as input, an unknown
        spatial size, or a layer or operator that can't be compiled.
    """
    # Keras warns while it writes down a layer's settings; what matters becomes a ModelError.
    with quiet():
        functional = _functional(model, input_shape)
        image = _image(functional, input_shape)
        reader = _Reader(image, tensors={image.name: placeholder(image)})
        leaving = reader.read(functional, "", (Operand(image.name, image.shape),))
    if not reader.layers:
        raise ModelError(f"model {model.name!r} has no layer that computes anything")
    _check_names([image.name, *(layer.name for layer in reader.layers)])
    outputs = tuple(operand.name for operand in operands_in(leaving))
    return without_unread(
        Network(Graph(str(model.name), (image,), outputs, tuple(reader.layers)), reader.weights)
    )


@dataclass
class _Reader:
    """Reads nested models call by call, and keeps what each symbolic tensor is in the graph."""

    image: Tensor
    layers: list[Layer] = field(default_factory=list)
    weights: dict[str, Arrays] = field(default_factory=dict)
    values: dict[TensorKey, Operand | Known] = field(default_factory=dict)
    tensors: dict[str, Any] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    arrays: dict[int, Arrays] = field(default_factory=dict)

    def read(
        self, functional: Any, prefix: str, entering: Sequence[Operand | Known]
    ) -> tuple[Operand | Known, ...]:
        """Append the layers of a model that reads the entering values; return what leaves it."""
        for tensor, value in zip(functional.inputs, entering, strict=True):
            self.values[key_of(tensor)] = value
        for layer, node in _calls(functional):
            if type(layer).__name__ == "InputLayer":
                continue
            leaving = self._leaving(layer, node, self._name(prefix + layer.name))
            for tensor, value in zip(outputs_of(node), leaving, strict=True):
                self.values[key_of(tensor)] = value
        return tuple(self.values[key_of(tensor)] for tensor in functional.outputs)

    def _name(self, name: str) -> str:
        """Return a name for a call: the layer's own for its first."""
        self.calls[name] += 1
        return name if self.calls[name] == 1 else f"{name}.call{self.calls[name]}"

    def _leaving(self, layer: Any, node: Any, name: str) -> tuple[Operand | Known, ...]:
        """Append what a call becomes, and return its outputs."""
        args, kwargs = self._resolved(arguments_of(node))
        inner = graph_of(layer)
        if inner is not None:
            entering = [self.values[key_of(tensor)] for tensor in tensors_in(arguments_of(node))]
            return self.read(inner, f"{name}/", entering)
        operator = operator_of(layer)
        if operator is None:
            read = operands_of(layer, args, kwargs, name)
            outcomes: tuple[Outcome, ...] = (self._of_layer(layer, read, name),)
        else:
            call = OperatorCall(operator, named_arguments(layer, args, kwargs))
            read, outcomes = call.operands, _of_operator(call, name)
        several = len(outcomes) > 1
        return tuple(
            self._append(
                outcome, f"{name}.out{number}" if several else name, read, keras_2=is_keras_2(layer)
            )
            for number, outcome in enumerate(outcomes, start=1)
        )

    def _resolved(self, value: Any) -> Any:
        """Return nested arguments with what their symbolic tensors are in the graph."""
        if isinstance(value, Mapping):
            return {key: self._resolved(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            items = [self._resolved(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if not is_tensor(value):
            return value
        resolved = self.values[key_of(value)]
        return resolved.value if isinstance(resolved, Known) else resolved

    def _of_layer(self, layer: Any, operands: Sequence[Operand], name: str) -> Outcome:
        """Return what a call of a layer becomes; a second call has the same arrays, no copies."""
        outcome = layer_outcome(layer, operands, name)
        if not isinstance(outcome, tuple):
            return outcome
        _check_kinds(layer, outcome, name)
        arrays = iter(
            self.arrays.setdefault(
                id(layer), tuple(array for part in outcome for array in part.weights)
            )
        )
        return tuple(
            replace(part, weights=tuple(next(arrays) for _ in part.weights)) for part in outcome
        )

    def _append(
        self, outcome: Outcome, name: str, read: Sequence[Operand], *, keras_2: bool
    ) -> Operand | Known:
        """Append the parts of an outcome, of which the last bears the name."""
        if not isinstance(outcome, tuple):
            return outcome
        labels = [*(f"{name}.{number}" for number in range(1, len(outcome))), name]
        before = tuple(operand.name for operand in read)
        for part, label in zip(outcome, labels, strict=True):
            inputs = tuple(source or before[0] for source in part.inputs) or before
            operand = self._append_part(replace(part, inputs=inputs), label, keras_2=keras_2)
            before = (operand.name,)
        return operand

    def _append_part(self, part: Part, name: str, *, keras_2: bool) -> Operand:
        """Run one layer symbolically; it gets its output's shape and its weights' names."""
        entering = [self.tensors[source] for source in part.inputs]
        config = canonical_config(
            name, part.kind, part.settings, len(entering[0].shape), keras_2=keras_2
        )
        built, output = apply(part.kind, name, config, entering)
        specs = tuple(WeightSpec(w.name, tuple(map(int, w.shape))) for w in built.weights)
        if [spec.shape for spec in specs] != [array.shape for array in part.weights]:
            raise ModelError(
                f"layer {name!r} ({part.kind}) has weights of another shape than an input of "
                f"{'x'.join(map(str, self.image.shape[1:]))} asks for; give the size the model was "
                f"trained at with {field_name('input_shape')}"
            )
        tensor = Tensor(name, tuple(map(int, output.shape)))
        if tensor.elements < 1:
            # Some versions of Keras let such a layer pass.
            read = "x".join(map(str, entering[0].shape[1:]))
            raise ModelError(
                f"layer {name!r} ({part.kind}) does not fit its input of {read}: its output "
                f"would have an extent of zero or negative; give a larger "
                f"{field_name('input_shape')}"
            )
        self.tensors[name] = output
        self.layers.append(Layer(name, part.kind, part.inputs, tensor, config, specs))
        if part.weights:
            self.weights[name] = part.weights
        return Operand(name, tensor.shape)


def _functional(model: Any, input_shape: KerasShape | None) -> Any:
    """Return the object that holds the layer graph, building a Sequential that has none yet."""
    inner = graph_of(model)
    if inner is None and type(model).__name__ == "Sequential" and len(input_shape or ()) > 2:
        model.build((1, *(input_shape or ())))
        inner = graph_of(model)
    if inner is None:
        raise ModelError(
            f"model {model.name!r} has no layer graph (it is subclassed, or a Sequential that was "
            "never given an input); build it with keras.Model(inputs, outputs) and save it again"
        )
    return inner


def _image(functional: Any, input_shape: KerasShape | None) -> Tensor:
    """Return the graph's one input tensor, of a fixed shape."""
    for side, tensors in (("inputs", functional.inputs), ("outputs", functional.outputs)):
        if len(tensors) != 1:
            raise ModelError(
                f"the model has {len(tensors)} {side}, one is needed; save "
                "keras.Model(model.inputs[i], model.outputs[j]) with the ones that segment"
            )
    tensor = functional.inputs[0]
    saved = tuple(tensor.shape)[1:]
    if len(saved) != _IMAGE_RANK - 1:
        raise ModelError(
            f"the model's input has the shape {('N', *saved)}, which is no image (N, H, W, C); "
            "only 2-D image models can be compiled"
        )
    shape = saved if input_shape is None else (*input_shape, *saved[len(input_shape) :])
    if len(shape) != len(saved) or None in shape:
        raise ModelError(
            f"the model's input size is not fixed {saved}; give it with "
            f"{field_name('input_shape')} {'H,W' if saved[-1] else 'H,W,C'}"
        )
    if saved[-1] not in (None, shape[-1]):
        raise ModelError(
            f"the model reads {saved[-1]} channels, not {shape[-1]}; leave the channels out of "
            f"{field_name('input_shape')}"
        )
    return Tensor(maker_of(tensor).name, (1, *map(int, shape)))


def _calls(functional: Any) -> list[tuple[Any, Any]]:
    """List every call in a model, (layer or operator, node), in topological order."""
    place = {id(layer): number for number, layer in enumerate(layers_of(functional))}
    order = {
        id(node): number
        for layer in layers_of(functional)
        for number, node in enumerate(layer._inbound_nodes)  # noqa: SLF001 - Keras has no public way
    }
    calls = [call for call in nodes_of(functional) if id(call[1]) in order]
    # Stable: calls of the same depth stand as their layers do.
    ordered = sorted(calls, key=lambda call: (-call[2], place[id(call[0])], order[id(call[1])]))
    return [(layer, node) for layer, node, _ in ordered]


def _of_operator(call: OperatorCall, name: str) -> tuple[Outcome, ...]:
    outcomes = translate(call)
    if outcomes is None:
        raise ModelError(
            f"the operator {name!r} ({call.operator}) can't be compiled; {way_out(call)}"
        )
    return outcomes


def _check_kinds(layer: Any, outcome: Sequence[Part], name: str) -> None:
    """Refuse a layer of no kind in the table, and one of a class that only shares a name."""
    own = is_built_in(layer) or type(layer) is _registered_class(type(layer).__name__)
    for part in outcome:
        if part.kind not in layer_kinds() or not own:
            raise ModelError(
                f"layer {name!r} is of the {'' if own else 'custom '}kind {part.kind}, "
                f"which can't be compiled; {instead_of(part.kind)}"
            )


def _registered_class(kind: str) -> Any:
    known = layer_kinds().get(kind)
    return None if known is None or known.keras_class is None else class_of(kind)


def _check_names(names: list[str]) -> None:
    written = [scope_name(name) for name in names]
    for name, scoped in zip(names, written, strict=True):
        if written.count(scoped) > 1:
            raise ModelError(f"two layers go by the name {name!r}; rename one and save again")
