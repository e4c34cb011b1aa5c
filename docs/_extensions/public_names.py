"""References of docstrings and annotations lead to the public name of what they mean.

Annotations name the module that a class is defined in, and docstrings call errors by their names
alone. What is internal is shown as it is written, and still has to exist.
"""

import sys
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


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.Node | None:
    """Return what a reference becomes for which no documented object was found, or None."""
    target: str = node.get("reftarget", "")
    if node.get("refdomain") != "py" or app.builder is None:
        return None
    name = public_names().get(f"{errors.__name__}.{target}" if hasattr(errors, target) else target)
    if name is not None:
        domain = env.domains["py"]
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, shown)
    if target.partition(".")[0] in sys.modules and target.startswith("edgeseg"):
        return shown if exists(target) else None
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Make public names known to autodoc, which are imported on first use, and references too."""
    for face in FACES:
        vars(face).update(public_objects(face))
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
