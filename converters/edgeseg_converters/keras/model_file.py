"""Opens model files of every Keras generation, and refuses those that carry code."""

import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeseg.errors import EdgesegError, ModelError
from edgeseg.files.ownership import scratch_folder
from edgeseg.text.suggestions import near_path
from edgeseg_converters.keras.generations import reason_of
from edgeseg_converters.keras.instead import instead_of
from edgeseg_converters.keras.lambdas import way_out_of_lambda
from edgeseg_converters.keras.quiet import import_keras, import_tf_keras, quiet
from edgeseg_converters.keras.rebuild import class_of
from edgeseg_converters.keras.stand_ins import stand_ins, without_lambdas
from edgeseg_converters.layers.registry import registered_kinds

_HDF5_MAGIC = b"\x89HDF"
_ZIP_MAGIC = b"PK"
_MODELS = {"Functional", "Model", "Sequential"}
_OPERATORS = {"TFOpLambda", "SlicingOpLambda"}
_BUILT_IN = ("keras.", "tf_keras.", "tensorflow.python.keras.")
_REPLACE = "replace them by built-in Keras layers"
_SAVE_AGAIN = "save the whole model again with model.save('model.keras')"


def load_model(path: Path) -> Any:
    """Load a ``.keras`` file, a legacy HDF5 file or a SavedModel folder with a Keras graph.

    The generation that wrote the file reads it: Keras 3, or tf_keras for everything older. The
    model's description is checked before, so a Lambda in it is never executed.

    Parameters
    ----------
    path
        The file or folder.

    Returns
    -------
    keras.Model or tf_keras.Model
        The model, not compiled for training.

    Raises
    ------
    ModelError
        If the path holds no whole Keras model, or one with custom or Lambda layers.
    """
    if not path.exists():
        raise ModelError(
            f"{path} does not exist; give a .keras or .h5 file or a SavedModel folder"
            f"{near_path(path)}"
        )
    if path.is_dir():
        return _load_saved_model(path)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
    if magic.startswith(_ZIP_MAGIC):
        return _load_zip(path)
    if magic == _HDF5_MAGIC:
        return _load_hdf5(path)
    raise ModelError(f"{path} is no Keras model; give a .keras or .h5 file or a SavedModel folder")


def _load_zip(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is truncated or damaged; copy it again")
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            version = json.loads(archive.read("metadata.json"))["keras_version"]
    except KeyError as error:
        raise ModelError(f"{path} is a zip file but no Keras model; {_SAVE_AGAIN}") from error
    except (ValueError, zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path} is damaged; copy it again, or {_SAVE_AGAIN}") from error
    return _load_described(path, config, version, ".keras")


def _load_hdf5(path: Path) -> Any:
    import_keras()
    import h5py

    try:
        with h5py.File(path) as file:
            config = file.attrs.get("model_config")
            version = file.attrs.get("keras_version", "2")
    except OSError as error:
        raise ModelError(f"{path} is truncated or damaged; copy it again") from error
    if config is None:
        raise ModelError(
            f"{path} holds weights but no model: load them into the model in the code that built "
            f"it (model.load_weights), then {_SAVE_AGAIN}"
        )
    text = version.decode() if isinstance(version, bytes) else str(version)
    return _load_described(path, json.loads(config), text, ".h5", ".hdf5")


def _load_described(path: Path, plain: Any, version: str, *suffixes: str) -> Any:
    """Load a file that says what it holds, lambdas that are arithmetic replaced."""
    described = without_lambdas(plain)
    _check(path, described, generation=_generation(version))
    if path.suffix not in suffixes:  # by which Keras tells formats
        raise ModelError(f"{path} has the wrong suffix; rename it to {path.stem}{suffixes[0]}")
    return _open(path, version, described, changed=described != plain)


def _load_saved_model(path: Path) -> Any:
    metadata = path / "keras_metadata.pb"
    if not metadata.is_file():
        finding = "a SavedModel without a Keras graph" if _is_saved_model(path) else "no SavedModel"
        raise ModelError(f"the folder {path} is {finding}; {_SAVE_AGAIN}")
    import_tf_keras()
    from google.protobuf.message import DecodeError
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    try:
        nodes = SavedMetadata.FromString(metadata.read_bytes()).nodes
        described = {node.node_path: json.loads(node.metadata) for node in nodes if node.metadata}
        root = described["root"]
    except (DecodeError, KeyError, ValueError) as error:
        raise ModelError(f"{metadata} is damaged; copy the folder again") from error
    # Every node is revived by its own description, whatever the root says of it.
    _check(path, root, *described.values(), generation=_generation("2"))
    return _open(path, "2", root, changed=False)


def _is_saved_model(path: Path) -> bool:
    return (path / "saved_model.pb").is_file()


@contextmanager
def _described_anew(path: Path, description: Any, *, changed: bool) -> Iterator[Path]:
    """Yield the file, or where its description changed a copy that has the new one."""
    if not changed:
        yield path
        return
    with scratch_folder() as folder:
        copy = folder / path.name
        text = json.dumps(description)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as read, zipfile.ZipFile(copy, "w") as written:
                for name in read.namelist():
                    written.writestr(name, text if name == "config.json" else read.read(name))
        else:
            import h5py

            shutil.copyfile(path, copy)
            with h5py.File(copy, "r+") as file:
                file.attrs["model_config"] = text
        yield copy


def _generation(version: str) -> Any:
    return import_keras() if version.startswith("3") else import_tf_keras()


def _open(path: Path, version: str, description: Any, *, changed: bool) -> Any:
    """Load with the generation of Keras that wrote the file; a changed description goes first."""
    keras = _generation(version)
    known = {**stand_ins(description, keras), **_registered()}
    try:
        with quiet(), _described_anew(path, description, changed=changed) as file:
            return keras.models.load_model(file, custom_objects=known, compile=False)
    except EdgesegError:
        raise
    except Exception as error:
        # Keras raises almost anything on a damaged or foreign file.
        raise ModelError(
            f"{path}, saved by Keras {version}, can't be loaded by {keras.__version__}: "
            f"{reason_of(error)}; {_SAVE_AGAIN}"
        ) from error


def _check(path: Path, root: Any, *others: Any, generation: Any) -> None:
    """Refuse a description that would need code beside Keras itself, naming the layers."""
    if not isinstance(root, dict):
        raise ModelError(f"{path} does not describe a model; {_SAVE_AGAIN}")
    if not _has_graph(root):
        raise ModelError(
            f"{path} holds the subclassed model {root.get('class_name')}, which has no layer "
            "graph; build it with keras.Model(inputs, outputs) and save it again"
        )
    known = stand_ins(root, generation)
    found = dict(_foreign([root, *others], known))
    if found:
        ways = [way for way in dict.fromkeys(found.values()) if way]
        raise ModelError(
            f"{path} has custom or Lambda layers, which are never run: {', '.join(sorted(found))}; "
            f"{'; '.join([*ways, _REPLACE])}"
        )
    functions = sorted(set(_functions([root, *others], generation)))
    if functions:
        raise ModelError(
            f"{path} has functions of its own, which are never run: {', '.join(functions)}; build "
            "the model with activation=None there, call the function on what the layer makes "
            "(keras.ops then stand in the file), set the weights and save it again"
        )


def _has_graph(root: Any) -> bool:
    # The Sequential models of early Keras list their layers without a name around them.
    config = root.get("config")
    return isinstance(config, list) or (isinstance(config, dict) and "layers" in config)


def _foreign(
    value: Any, known: Mapping[str, Any], owner: str = "?"
) -> Iterator[tuple[str, str | None]]:
    """Yield ``name (kind)`` of every layer, however deep, that is a Lambda or not Keras's own.

    With it comes what replaces it, where that is known; those with a stand-in are left out.
    """
    if isinstance(value, list):
        for item in value:
            yield from _foreign(item, known, owner)
    if not isinstance(value, dict):
        return
    kind = str(value.get("class_name", ""))
    owner = _name(value, owner)
    if re.split(r"[.>]", kind)[-1].strip("_").lower() == "lambda":
        yield f"{owner} ({kind})", way_out_of_lambda(value)
    layers = value.get("layers")
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and not (
            _is_built_in(layer) or _is_registered(layer) or layer.get("class_name") in known
        ):
            advice = instead_of(str(layer.get("class_name")))
            yield f"{_name(layer, owner)} ({layer.get('class_name')})", _beside_default(advice)
    for item in value.values():
        yield from _foreign(item, known, owner)


def _beside_default(advice: str) -> str | None:
    return advice.rpartition("; or ")[0] or None


def _functions(value: Any, keras: Any, owner: str = "?") -> Iterator[str]:
    """Yield ``function of layer`` of every activation that is a function and none of Keras."""
    if isinstance(value, list):
        for item in value:
            yield from _functions(item, keras, owner)
    if not isinstance(value, dict):
        return
    owner = _name(value, owner)
    function = _function_name(value.get("activation"))
    if function is not None and not hasattr(keras.activations, function):
        yield f"{function} of {owner}"
    for item in value.values():
        yield from _functions(item, keras, owner)


def _function_name(activation: Any) -> str | None:
    """Return the name of an activation that is a function; None if it is a layer or none."""
    if isinstance(activation, dict) and activation.get("class_name") == "function":
        registered = str(activation.get("registered_name"))
        return registered if ">" in registered else str(activation.get("config"))
    return activation if isinstance(activation, str) else None


def _is_registered(layer: dict[str, Any]) -> bool:
    """Tell whether a layer's description names a class that an installed package registers.

    Keras looks a class up by its registered name before it imports the module of the description.
    """
    classes = _registered()
    kind, registered_name = str(layer.get("class_name")), str(layer.get("registered_name"))
    same = kind in classes and registered_name in classes
    return same and classes[kind] is classes[registered_name]


def _registered() -> dict[str, Any]:
    """Return the layer classes that installed packages register, by both names in Keras."""
    kinds = [kind for kind in registered_kinds() if kind.keras_class is not None]
    if not kinds:
        return {}
    name_of = import_keras().saving.get_registered_name
    classes = {kind.name: class_of(kind.name) for kind in kinds}
    return classes | {str(name_of(layer_class)): layer_class for layer_class in classes.values()}


def _name(described: dict[str, Any], otherwise: str) -> str:
    config = described.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    return str(described.get("name") or inner or otherwise)


def _is_built_in(layer: dict[str, Any]) -> bool:
    """Say whether a layer's description names a class of Keras itself."""
    kind, module = str(layer.get("class_name", "")), layer.get("module")
    if kind in _MODELS | _OPERATORS:
        return True
    if module is not None:
        return f"{module}.".startswith(_BUILT_IN)
    return hasattr(import_tf_keras().layers, kind)
