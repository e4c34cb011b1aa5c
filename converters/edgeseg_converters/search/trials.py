"""Trials of a search: each rung is compiled, and measured against the Keras model."""

import platform
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.progress import Progress, Tell, silent, untold
from edgeseg_converters.assemble import compiler_versions, hash_model
from edgeseg_converters.compare.bundle_runner import segmenter_of
from edgeseg_converters.compare.comparison import ComparedModel, bundle_entry
from edgeseg_converters.compare.footprint import measure_bundle
from edgeseg_converters.conversion import convert
from edgeseg_converters.options import ConversionOptions
from edgeseg_converters.search.choose import MeasuredRecipe
from edgeseg_converters.search.ladder import Rung
from edgeseg_converters.search.reference import Reference, scored
from edgeseg_converters.search.state import Built, State, key_of
from edgeseg_converters.search.validation import Validation

_OF_A_RUNG = {"recipe", "prune_ratio", "quantize", "sparse_encoding"}
"""Options that are not the same for every rung."""


@dataclass(frozen=True)
class Bench:
    """Compiles and measures rungs, one at a time; what the state knows is not done again.

    Attributes
    ----------
    folder
        Where the bundles go, as ``NAME.edgeseg`` with their reports as ``NAME.json``.
    calibration
        What is calibrated on.
    options
        All but the recipe counts.
    progress
        Told how far each compile and each measurement is.
    tell
        Called with a line when a rung is compiled or measured.
    """

    model: Path
    folder: Path
    calibration: Path
    options: ConversionOptions
    validation: Validation
    state: State
    progress: Progress = silent
    tell: Tell = untold

    def trial(self, rung: Rung) -> MeasuredRecipe:
        """Compile and measure one rung.

        Raises
        ------
        EdgesegError
            If the model can't be compiled, the bundle can't be run, or no label shows what the
            model can find.
        """
        path = self.path(rung.name)
        built = self._compile(rung, path)
        figures = {"bundle": built.sha256, "name": rung.name, "machine": platform.node()}
        key = key_of(**figures, **self._measuring)
        entry = self.state.entry(key)
        if entry is None:
            entry = self._measure(rung, Bundle(path))
            self.state.add_entry(key, entry)
        entry = msgspec.structs.replace(entry, path=str(path))
        return MeasuredRecipe(rung.name, rung.recipe, entry, built.notes)

    def model_entry(self, name: str) -> ComparedModel:
        """Return the model's own figures; the name is that of any rung that was tried."""
        key = key_of(conversion=self._conversion, **self._measuring)
        entry = self.state.entry(key)
        if entry is None:
            entry = self._reference.entry(Bundle(self.path(name)).manifest)
            self.state.add_entry(key, entry)
        return msgspec.structs.replace(entry, path=str(self.model))

    def path(self, name: str) -> Path:
        """Return where the bundle of a rung is."""
        return self.folder / f"{name}.edgeseg"

    def _compile(self, rung: Rung, path: Path) -> Built:
        """Compile a rung unless its bundle is there."""
        key = key_of(name=rung.name, recipe=rung.recipe, **self._compiling)
        built = self.state.bundle(key, path)
        if built is not None:
            return built
        self.tell(f"compiling {rung.name}")
        report = convert(
            self.model,
            path,
            self.options.with_recipe(rung.recipe),
            report=path.with_suffix(".json"),
            progress=self.progress,
        )
        return self.state.add_bundle(key, path, report.notes)

    def _measure(self, rung: Rung, bundle: Bundle) -> ComparedModel:
        reference = self._reference.scores(bundle.manifest)
        self.tell(f"measuring {rung.name}")
        scores = scored(segmenter_of(bundle), self.validation.slices, rung.name, self.progress)
        footprint = measure_bundle(bundle)
        return bundle_entry(rung.name, str(bundle.path), footprint, scores, reference)

    @cached_property
    def _reference(self) -> Reference:
        return Reference(self.model, self.validation.slices, self.progress)

    @property
    def _conversion(self) -> dict[str, Any]:
        """Name the options that are the same for every rung; the calibration counts by its hash."""
        values = msgspec.structs.asdict(self.options)
        return {
            name: value
            for name, value in values.items()
            if name not in _OF_A_RUNG and name != "calibration"
        }

    @cached_property
    def _compiling(self) -> dict[str, Any]:
        """Name what every bundle depends on."""
        return {
            "model": hash_model(self.model),
            "calibration": hash_model(self.calibration),
            "conversion": self._conversion,
            "versions": compiler_versions(),
        }

    @cached_property
    def _measuring(self) -> dict[str, Any]:
        """Name what every figure depends on beside the bundle."""
        return {"model": self._compiling["model"], "validation": self.validation.digest}
