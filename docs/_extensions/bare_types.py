"""Types of options without what they say of their flags, which a command's page shows."""

import inspect
from importlib import import_module

from sphinx.application import Sphinx

from edgeseg_converters.options import ConversionOptions
from edgeseg_converters.search.goal import SearchGoal


def setup(app: Sphinx) -> dict[str, bool]:  # noqa: ARG001 - as Sphinx calls it
    """Take flags out of annotations, once the command has made its own of them."""
    import_module("edgeseg_converters.commands.convert")
    for struct in (ConversionOptions, SearchGoal):
        for name, annotation in inspect.get_annotations(struct).items():
            struct.__annotations__[name] = getattr(annotation, "__origin__", annotation)
    return {"parallel_read_safe": True}
