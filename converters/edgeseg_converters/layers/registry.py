"""Looks up kinds of layers: those of the table, and those that installed packages register.

A package adds a kind by an entry point of the group ``edgeseg.layer_kinds`` that names a
:class:`~edgeseg_converters.layers.kind.LayerKind`. Its ``keras_class`` returns the layer's class,
which models may then use; TFLite must have operations for what the class computes.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from edgeseg.errors import EdgesegError, ModelError
from edgeseg.plugins import plugins
from edgeseg_converters.layers.kind import LayerKind
from edgeseg_converters.layers.table import LAYER_KINDS

GROUP = "edgeseg.layer_kinds"


@cache
def layer_kinds() -> Mapping[str, LayerKind]:
    """Return all kinds by name.

    Raises
    ------
    EdgesegError
        As :func:`registered_kinds`.
    """
    return MappingProxyType({kind.name: kind for kind in (*LAYER_KINDS, *registered_kinds())})


@cache
def registered_kinds() -> tuple[LayerKind, ...]:
    """Return the kinds that installed packages register.

    Raises
    ------
    EdgesegError
        If a package registers something else than a kind, or a name that is taken.
    """
    names = {kind.name for kind in LAYER_KINDS}
    kinds = []
    for kind in plugins(GROUP, LayerKind):
        if kind.name in names:
            raise EdgesegError(
                f"a package registers the layer kind {kind.name!r}, which is there already, as "
                f"{GROUP}; remove it"
            )
        names.add(kind.name)
        kinds.append(kind)
    return tuple(kinds)


def kind_of(name: str) -> LayerKind:
    """Return the kind of that name.

    Raises
    ------
    ModelError
        If there is none.
    """
    kind = layer_kinds().get(name)
    if kind is None:
        raise ModelError(
            f"{name} is no kind of layer that can be compiled; install a package that registers "
            f"it as {GROUP}, or replace the layer"
        )
    return kind
