"""The Keras model on the validation slices, which every bundle of a search is compared with."""

from collections.abc import Sequence
from pathlib import Path

from edgeseg.bundle.manifest import Manifest
from edgeseg.labelled import LabelledSlice
from edgeseg.progress import Progress, silent
from edgeseg_converters.compare.accuracy import PatientScores, SliceSegmenter, score
from edgeseg_converters.compare.bundles import check_labels, require_truth, size_of
from edgeseg_converters.compare.comparison import ComparedModel, model_entry
from edgeseg_converters.compare.keras_runner import KerasRunner


class Reference:
    """Scores of the Keras model; it segments the slices once, when they are first needed."""

    def __init__(
        self, model: Path, slices: Sequence[LabelledSlice], progress: Progress = silent
    ) -> None:
        self._model, self._slices, self._progress = model, slices, progress
        self._scores: PatientScores | None = None

    def scores(self, manifest: Manifest) -> PatientScores:
        """Return the scores; the manifest of any bundle says how slices become the input.

        Raises
        ------
        ModelError
            If the model's outputs are not what the labels show.
        VolumeError
            If no label shows what the model can find.
        """
        if self._scores is None:
            check_labels(manifest)
            runner = KerasRunner(self._model, manifest)
            how = runner.preprocessing(manifest.preprocessing)
            segmenter = SliceSegmenter(runner, how, runner.decoding(manifest.decoding))
            self._scores = scored(segmenter, self._slices, self._model.name, self._progress)
            require_truth(self._scores, self._slices[0].source)
        return self._scores

    def entry(self, manifest: Manifest) -> ComparedModel:
        """Return the model's figures; raises as :meth:`scores` does."""
        model = self._model
        return model_entry(model.name, str(model), size_of(model), self.scores(manifest))


def scored(
    segmenter: SliceSegmenter, slices: Sequence[LabelledSlice], name: str, progress: Progress
) -> PatientScores:
    """Score a network, which ``name`` names to the user, on the slices."""
    with progress(len(slices), f"segmenting with {name}") as advance:
        return score(segmenter, slices, advance)
