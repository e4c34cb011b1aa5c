"""Where a network is cut into pieces: the strategies, what they are asked for, what they return."""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports

if TYPE_CHECKING:
    from edgeseg_converters.partition.complexity import METRICS
    from edgeseg_converters.partition.cutting import cut_network
    from edgeseg_converters.partition.registry import Strategy, strategies
    from edgeseg_converters.partition.request import (
        Alternative,
        Cut,
        Partition,
        PartitionRequest,
    )

__all__ = [
    "METRICS",
    "Alternative",
    "Cut",
    "Partition",
    "PartitionRequest",
    "Strategy",
    "cut_network",
    "strategies",
]
__getattr__ = lazy_exports(
    __name__,
    {
        "METRICS": "complexity",
        "Alternative": "request",
        "Cut": "request",
        "Partition": "request",
        "PartitionRequest": "request",
        "Strategy": "registry",
        "cut_network": "cutting",
        "strategies": "registry",
    },
)


def __dir__() -> list[str]:
    return __all__
