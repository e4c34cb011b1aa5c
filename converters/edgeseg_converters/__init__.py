"""The compiler: from a trained Keras U-Net to a bundle of TFLite pieces."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeseg_converters.compiler import convert
    from edgeseg_converters.report import Report

__all__ = ["Report", "convert"]

_HOMES = {"convert": "compiler", "Report": "report"}


def __getattr__(name: str) -> Any:
    """Import on first use: commands import this package and must start instantly."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
