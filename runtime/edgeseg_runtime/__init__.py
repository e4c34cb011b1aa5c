"""The device side and the coordinator: from a bundle and a scan to a mask."""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports

if TYPE_CHECKING:
    from edgeseg_runtime.segmentation.segmenter import Segmentation, Segmenter

__all__ = ["Segmentation", "Segmenter"]

__getattr__ = lazy_exports(
    __name__, {"Segmentation": "segmentation.segmenter", "Segmenter": "segmentation.segmenter"}
)
