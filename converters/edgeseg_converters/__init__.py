"""The compiler: from a trained Keras U-Net to a bundle of TFLite pieces."""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports

if TYPE_CHECKING:
    from edgeseg_converters.compiler import convert
    from edgeseg_converters.report import Report

__all__ = ["Report", "convert"]
__getattr__ = lazy_exports(__name__, {"convert": "compiler", "Report": "report"})
