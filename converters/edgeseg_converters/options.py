"""What a conversion is asked for, checked before any work is done."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeseg.boards.boards_file import BoardsFile
from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import UsageError, field_name
from edgeseg.network.graph import Tensor
from edgeseg.text.suggestions import did_you_mean
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.partition import METRICS, PartitionRequest, strategies
from edgeseg_converters.partition.registry import names_of


@dataclass(frozen=True)
class Settings:
    """Settings of a conversion; see :func:`edgeseg_converters.convert`.

    Raises
    ------
    UsageError
        If a value is unknown or out of range, or two contradict each other.
    """

    strategy: str
    metric: str
    max_complexity: int | None
    max_partitions: int | None
    recipe: Recipe
    calibration: Path | None
    window: tuple[float, float]
    spacing_mm: float | None
    ways: int | None = None
    boards: BoardsFile | None = None
    max_activations: int | None = None
    tolerance: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be done."""
        _require_one_of("strategy", self.strategy, strategies())
        _require_one_of("metric", self.metric, METRICS)
        _require_positive("max_complexity", self.max_complexity)
        _require_positive("max_partitions", self.max_partitions)
        _require_positive("spacing_mm", self.spacing_mm)
        _require_positive("max_activations", self.max_activations)
        _require_positive("tolerance", self.tolerance)
        if self.ways is not None and self.ways < 2:
            raise UsageError(
                f"{field_name('ways')} is {self.ways}; give at least 2 tiles or branches"
            )
        _require_use("ways", self.ways, self.strategy, names_of(lambda row: row.divides))
        _require_use("boards", self.boards, self.strategy, names_of(lambda row: row.places))
        _require_use("tolerance", self.tolerance, self.strategy, names_of(lambda row: row.tolerant))
        for entry in self.boards.board if self.boards is not None else ():
            _ = entry.expected  # says what is lacking
        low, high = self.window
        if not -math.inf < low < high < math.inf:
            raise UsageError(
                f"{field_name('window')} is {low:g},{high:g}; give two HU, the lower one first"
            )
        step = self.recipe.needs_slices
        if step is not None and self.calibration is None:
            raise UsageError(
                f"{step} needs slices to work on; give {field_name('calibration')} with a folder "
                "of PNG slices or a NIfTI file"
            )

    @property
    def request(self) -> PartitionRequest:
        """The budget of the partition."""
        return PartitionRequest(
            self.metric,
            self.max_complexity,
            self.max_partitions,
            self.ways,
            self.boards,
            self.recipe.quantize,
            self.max_activations,
            self.tolerance,
        )

    def preprocessing(self, image: Tensor) -> Preprocessing:
        """Return how slices become the model's input tensor."""
        _, height, width, channels = image.shape
        return Preprocessing(self.window, (height, width), channels, self.spacing_mm)

    def recorded(self) -> dict[str, str | int | float | bool | None]:
        """Return what the manifest keeps: no path, so that the same input gives the same bytes."""
        return {
            "strategy": self.strategy,
            "metric": self.metric,
            "max_complexity": self.max_complexity,
            "max_partitions": self.max_partitions,
            "max_activations": self.max_activations,
            "tolerance": self.tolerance,
            "ways": self.ways,
            "boards": None if self.boards is None else len(self.boards.board),
            "quantize": self.recipe.quantize,
            "recipe": msgspec.json.encode(self.recipe).decode(),
        }


def _require_one_of(field: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        near = did_you_mean(value, known)
        raise UsageError(
            f"{field_name(field)} is {value!r}; choose one of {', '.join(known)}{near}"
        )


def _require_use(field: str, value: object, strategy: str, users: Collection[str]) -> None:
    if value is not None and strategy not in users:
        raise UsageError(
            f"{field_name(field)} tells {field_name('strategy')} {strategy} nothing; leave it out, "
            f"or choose one of {', '.join(sorted(users))}"
        )


def _require_positive(field: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise UsageError(f"{field_name(field)} is {value:g}; give a number above 0")
