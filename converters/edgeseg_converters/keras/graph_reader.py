"""Reads a Keras 3 or tf_keras model into a graph and its weights."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ModelError, field_name
from edgeseg.network.graph import Graph, Layer, Tensor, WeightSpec
from edgeseg_converters.keras.generations import (
    TensorKey,
    arguments_of,
    graph_of,
    is_built_in,
    is_keras_2,
    key_of,
    layers_of,
    maker_of,
    nodes_of,
    operator_of,
    outputs_of,
    tensors_in,
)
from edgeseg_converters.keras.layer_settings import canonical_config
from edgeseg_converters.keras.operators import equivalent_layer
from edgeseg_converters.keras.quiet import quiet
from edgeseg_converters.keras.rebuild import apply, class_of, placeholder, scope_name
from edgeseg_converters.layers.registry import layer_kinds
from edgeseg_converters.layers.table import TRAINING_ONLY
from edgeseg_converters.network import Network

KerasShape: TypeAlias = tuple[int, ...]
Arrays: TypeAlias = tuple[NDArray[np.float32], ...]

_IMAGE_RANK = 4


def read_network(model: Any, input_shape: KerasShape | None = None) -> Network:
    """Read a Functional or Sequential model into a graph with weights, batch size one.

    Nested models are flattened (``outer/inner``), layers that act only in training are left out,
    and operators between layers become the layers they equal. Shapes come from running the
    layers symbolically on the input's shape, so a model saved for another size can be read too.

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
        spatial size, a shared layer, or a layer that can't be compiled.
    """
    # Keras warns while it writes down a layer's settings; what matters becomes a ModelError.
    with quiet():
        functional = _functional(model, input_shape)
        image = _image(functional, input_shape)
        reader = _Reader()
        leaving = reader.read(functional, "", (image.name,))
        if not reader.steps:
            raise ModelError(f"model {model.name!r} has no layer that computes anything")
        layers, weights = _shape(reader.steps, image)
    _check_names([image.name, *(layer.name for layer in layers)])
    return Network(Graph(str(model.name), (image,), leaving, layers), weights)


@dataclass(frozen=True)
class _Step:
    """A layer before its shapes are known."""

    name: str
    kind: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    weights: Arrays


@dataclass
class _Reader:
    """Reads nested models layer by layer, and keeps the name of each symbolic tensor."""

    steps: list[_Step] = field(default_factory=list)
    names: dict[TensorKey, str] = field(default_factory=dict)
    read_layers: set[int] = field(default_factory=set)

    def read(self, functional: Any, prefix: str, entering: tuple[str, ...]) -> tuple[str, ...]:
        """Append the layers of a model that reads the entering tensors; return what leaves it."""
        for tensor, name in zip(functional.inputs, entering, strict=True):
            self.names[key_of(tensor)] = name
        for layer, node in _calls(functional, prefix):
            if type(layer).__name__ == "InputLayer":
                continue
            name = prefix + layer.name
            if id(layer) in self.read_layers:
                raise _shared(name)
            self.read_layers.add(id(layer))
            leaving = self._leaving(layer, node, name)
            for tensor, label in zip(outputs_of(node), leaving, strict=True):
                self.names[key_of(tensor)] = label
        return tuple(self.names[key_of(tensor)] for tensor in functional.outputs)

    def _leaving(self, layer: Any, node: Any, name: str) -> tuple[str, ...]:
        read = tensors_in(arguments_of(node))
        entering = tuple(self.names[key_of(tensor)] for tensor in read)
        inner = graph_of(layer)
        if inner is not None:
            return self.read(inner, f"{name}/", entering)
        kind = type(layer).__name__
        if kind in TRAINING_ONLY and is_built_in(layer):
            return entering
        kind, settings = _kind_and_settings(layer, node, name)
        config = canonical_config(
            name, kind, settings, len(read[0].shape), keras_2=is_keras_2(layer)
        )
        self.steps.append(_Step(name, kind, config, entering, _weights(layer)))
        return (name,)


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


def _calls(functional: Any, prefix: str) -> Iterator[tuple[Any, Any]]:
    """Yield every layer of a model with the one node that calls it, in topological order."""
    calls: dict[int, Any] = {}
    for layer, node in nodes_of(functional):
        if id(layer) in calls:
            raise _shared(prefix + layer.name)
        calls[id(layer)] = node
    for layer in layers_of(functional):
        if id(layer) in calls:
            yield layer, calls[id(layer)]


def _kind_and_settings(layer: Any, node: Any, name: str) -> tuple[str, dict[str, Any]]:
    operator = operator_of(layer)
    if operator is not None:
        args, kwargs = arguments_of(node)
        equivalent = equivalent_layer(operator, args, {**vars(layer), **kwargs})
        if equivalent is None:
            raise ModelError(
                f"the operator {name!r} ({operator}) can't be compiled; use the Keras layer that "
                "does the same and save the model again"
            )
        return equivalent
    kind = type(layer).__name__
    if not _can_be_compiled(layer):
        raise ModelError(
            f"layer {name!r} is of the {'' if is_built_in(layer) else 'custom '}kind {kind}, "
            "which can't be compiled; replace it by built-in Keras layers"
        )
    return kind, layer.get_config()


def _can_be_compiled(layer: Any) -> bool:
    """Tell whether a layer is of a kind in the table, and of no class that only shares its name."""
    kind = layer_kinds().get(type(layer).__name__)
    if kind is None:
        return False
    return is_built_in(layer) if kind.keras_class is None else type(layer) is class_of(kind.name)


def _shape(steps: list[_Step], image: Tensor) -> tuple[tuple[Layer, ...], dict[str, Arrays]]:
    """Run the steps symbolically; every layer gets its output's shape and its weights' names."""
    tensors = {image.name: placeholder(image)}
    layers: list[Layer] = []
    for step in steps:
        built, output = apply(
            step.kind, step.name, step.config, [tensors[name] for name in step.inputs]
        )
        tensors[step.name] = output
        specs = tuple(WeightSpec(w.name, tuple(map(int, w.shape))) for w in built.weights)
        if [spec.shape for spec in specs] != [array.shape for array in step.weights]:
            raise ModelError(
                f"layer {step.name!r} ({step.kind}) has weights of another shape than an input of "
                f"{'x'.join(map(str, image.shape[1:]))} asks for; give the size the model was "
                f"trained at with {field_name('input_shape')}"
            )
        tensor = Tensor(step.name, tuple(map(int, output.shape)))
        if tensor.elements < 1:
            # Some versions of Keras let such a layer pass.
            read = "x".join(map(str, tensors[step.inputs[0]].shape[1:]))
            raise ModelError(
                f"layer {step.name!r} ({step.kind}) does not fit its input of {read}: its output "
                f"would have an extent of zero or negative; give a larger "
                f"{field_name('input_shape')}"
            )
        layers.append(Layer(step.name, step.kind, step.inputs, tensor, step.config, specs))
    return tuple(layers), {step.name: step.weights for step in steps if step.weights}


def _check_names(names: list[str]) -> None:
    written = [scope_name(name) for name in names]
    for name, scoped in zip(names, written, strict=True):
        if written.count(scoped) > 1:
            raise ModelError(f"two layers go by the name {name!r}; rename one and save again")


def _weights(layer: Any) -> Arrays:
    arrays = layer.get_weights() if hasattr(layer, "get_weights") else ()
    return tuple(np.asarray(array, dtype=np.float32) for array in arrays)


def _shared(name: str) -> ModelError:
    return ModelError(
        f"layer {name!r} is shared: it is called more than once; give every call a layer of its "
        "own and copy the weights"
    )
