"""The compiler: from a trained Keras U-Net to a bundle of TFLite pieces."""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports

if TYPE_CHECKING:
    from edgeseg_converters.conversion import convert
    from edgeseg_converters.reports.conversion import ConversionReport

__all__ = ["ConversionReport", "convert"]
__getattr__ = lazy_exports(
    __name__, {"convert": "conversion", "ConversionReport": "reports.conversion"}
)
