"""References of docstrings and annotations lead to the public name of what they mean.

Annotations name the module that a class is defined in, and docstrings call errors by their names
alone. What is internal is shown as it is written, and still has to exist.
"""

from collections.abc import Iterator
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import edgeseg
import edgeseg_converters
import edgeseg_runtime
from edgeseg import errors, labelled, planning

FACES = (edgeseg, labelled, planning, edgeseg_converters, edgeseg_runtime)


def public_objects(face: ModuleType) -> dict[str, Any]:
    """Return what a package shows, by name."""
    return {name: getattr(face, name) for name in getattr(face, "__all__", ())}


def public_names() -> dict[str, str]:
    """Return the public name of what is defined elsewhere, by the place where that is."""
    names: dict[str, str] = {}
    for face in FACES:
        for name, value in public_objects(face).items():
            if not isinstance(value, type | FunctionType):
                continue
            names.setdefault(f"{value.__module__}.{value.__qualname__}", f"{face.__name__}.{name}")
    return names


def exists(dotted: str) -> bool:
    """Return whether a dotted name is that of a module, or of something in one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: Any = import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for part in parts[count:]:
            value = getattr(value, part, None)
        return value is not None
    return False


def meanings(target: str, source: str) -> Iterator[str]:
    """Yield the dotted names that a reference may mean, the likeliest first.

    Parameters
    ----------
    target
        As it is written: dotted, the name of an error, or a name of the module that the docstring
        stands in.
    source
        Where it is written; ends with ``docstring of MODULE.NAME`` if that is in one.
    """
    yield target
    yield f"{errors.__name__}.{target}"
    place = source.rpartition("docstring of ")[2].partition(":")[0]
    while "." in place:
        place = place.rpartition(".")[0]
        yield f"{place}.{target}"


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.Node | None:
    """Return what a reference becomes for which no documented object was found, or None."""
    if node.get("refdomain") != "py" or app.builder is None:
        return None
    known = public_names()
    names = list(meanings(node.get("reftarget", ""), node.source or ""))
    for name in filter(known.__contains__, names):
        domain = env.domains["py"]
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, "obj", known[name], node, shown
        )
    own = (name for name in names if name.startswith("edgeseg"))
    return shown if any(map(exists, own)) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Make public names known to autodoc, which are imported on first use, and references too."""
    for face in FACES:
        vars(face).update(public_objects(face))
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
