"""Stand-ins for classes that a model file names and does not hold: recognised by structure alone.

Nothing that a file brings is run. A class of the file's own is replaced where its description
leaves no doubt: a model class around a layer graph, and a layer that acts in training alone.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from edgeseg_converters.keras.lambdas import layer_of_lambda

_TRAINING_NAMES = re.compile(r"drop_?(out|path|connect|block)|stochastic_?depth", re.IGNORECASE)
_RANDOM_NAMES = re.compile(r"mc|monte|concrete|variational|bayes|permanent", re.IGNORECASE)
_TRAINING_SETTINGS = frozenset(
    {
        "block_size",
        "data_format",
        "drop_connect_rate",
        "drop_path",
        "drop_path_rate",
        "drop_prob",
        "drop_rate",
        "keep_prob",
        "noise_shape",
        "p",
        "prob",
        "rate",
        "scale_by_keep",
        "seed",
        "survival_prob",
        "survival_probability",
    }
)
_COMMON_SETTINGS = frozenset(
    {"name", "trainable", "dtype", "batch_input_shape", "activity_regularizer"}
)


def stand_ins(root: Mapping[str, Any], keras: Any) -> dict[str, Any]:
    """Return the classes that stand in for those of a model's description, by all their names.

    Parameters
    ----------
    root
        What the file says of the model.
    keras
        Keras 3 or tf_keras, which will load it.
    """
    classes: dict[str, Any] = {}
    for described in _described(root):
        made = _stand_in(described, keras)
        if made is not None:
            classes |= dict.fromkeys(_names(described), made)
    return classes


def is_model_class(described: Mapping[str, Any]) -> bool:
    """Tell whether a description is of a model that is a graph of layers, whatever its class."""
    config = described.get("config")
    graph = {"layers", "input_layers", "output_layers"}
    return isinstance(config, Mapping) and graph <= config.keys()


def acts_in_training(described: Mapping[str, Any]) -> bool:
    """Tell whether a layer's name and settings are those of a dropout, and of nothing besides."""
    kind = re.split(r"[.>]", str(described.get("class_name", "")))[-1]
    config = described.get("config")
    if not isinstance(config, Mapping) or not _TRAINING_NAMES.search(kind):
        return False
    settings = config.keys() - _COMMON_SETTINGS
    known = bool(settings) and settings <= _TRAINING_SETTINGS
    return known and not _RANDOM_NAMES.search(kind) and _reads_one(described)


def _reads_one(described: Mapping[str, Any]) -> bool:
    """Tell whether each call of a layer reads one tensor."""
    calls = described.get("inbound_nodes", [])
    return all(str(call).count("keras_history") <= 1 and len(call) <= 2 for call in calls)


def _stand_in(described: Mapping[str, Any], keras: Any) -> Any:
    kind = re.split(r"[.>]", str(described.get("class_name", "")))[-1]
    if hasattr(keras.layers, kind) or hasattr(keras, kind):
        return None
    if acts_in_training(described):
        return _identity(kind, keras)
    if is_model_class(described):
        return type(kind, (keras.Model,), {"__module__": keras.Model.__module__})
    return None


def _identity(kind: str, keras: Any) -> Any:
    """Make a class that takes any settings and hands on what it reads."""

    def init(self: Any, **settings: Any) -> None:
        keras.layers.Layer.__init__(self, name=settings.get("name"))

    def call(_: Any, inputs: Any, *__: Any, **___: Any) -> Any:
        return inputs

    methods = {"__init__": init, "call": call, "hands_on": True}
    return type(kind, (keras.layers.Layer,), methods)


def without_lambdas(value: Any) -> Any:
    """Return a description with each lambda that is arithmetic replaced by the layer it equals."""
    if isinstance(value, list):
        return [without_lambdas(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") == "Lambda":
        found = layer_of_lambda(value)
        if found is not None:
            kind, settings = found
            own = {key: item for key, item in value["config"].items() if key in {"name", "dtype"}}
            calls = [_without_options(call) for call in value.get("inbound_nodes", [])]
            config = {**own, **settings}
            return {**value, "class_name": kind, "config": config, "inbound_nodes": calls}
    return {key: without_lambdas(item) for key, item in value.items()}


def _without_options(call: Any) -> Any:
    """Return a call without what a lambda alone is told, such as a mask."""
    return {**call, "kwargs": {}} if isinstance(call, Mapping) else call


def stand_in_notes(model: Any) -> tuple[str, ...]:
    """Say which layers of a loaded model were replaced, a line each."""
    return tuple(
        f"{layer.name} ({type(layer).__name__}) is taken for a dropout by its name and settings, "
        "and left out"
        for layer in getattr(model, "layers", ())
        if getattr(layer, "hands_on", False)
    )


def _described(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every description of a layer or a model, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from _described(item)
    if isinstance(value, Mapping):
        if "class_name" in value and "config" in value:
            yield value
        for item in value.values():
            yield from _described(item)


def _names(described: Mapping[str, Any]) -> Iterator[str]:
    for key in ("class_name", "registered_name"):
        if described.get(key):
            yield str(described[key])
