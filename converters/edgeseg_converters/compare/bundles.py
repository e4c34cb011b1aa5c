"""Compares a Keras model with bundles of it on labelled slices."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest
from edgeseg.errors import BundleError, ModelError, UsageError, VolumeError, field_name
from edgeseg.labelled import LabelledSlice, by_patient, read_labelled
from edgeseg.progress import Progress, silent
from edgeseg.scoring.dice import KITS_REGIONS
from edgeseg_converters.assemble import hash_model
from edgeseg_converters.compare.accuracy import PatientScores, SliceSegmenter, regions_of, score
from edgeseg_converters.compare.bundle_runner import segmenter_of
from edgeseg_converters.compare.comparison import Comparison, bundle_entry, model_entry
from edgeseg_converters.compare.footprint import measure_bundle
from edgeseg_converters.compare.keras_runner import KerasRunner

_MEANING = {1: {"kidney"}, 2: {"tumor", "tumour"}, 3: {"cyst"}}
"""What labelled slices call each value."""


def compare_bundles(
    model: Path | str,
    bundles: Sequence[Path | str],
    data: Path | str,
    patients: Iterable[str] | None = None,
    *,
    progress: Progress = silent,
) -> Comparison:
    """Measure a Keras model and its bundles on labelled slices.

    Parameters
    ----------
    model
        The model that the bundles were compiled from.
    bundles
        ``.edgeseg`` files; one is loaded at a time.
    data
        Labelled slices, as :func:`edgeseg.labelled.read_labelled` knows them.
    patients
        Compare on these alone.
    progress
        Told of the slices that are segmented.

    Raises
    ------
    UsageError
        If no bundle is given, one is given twice, or a patient is unknown.
    BundleError
        If a bundle can't be read, or bundles bring slices to the model in different ways.
    ModelError
        If the model can't be read, does not fit the bundles, or its outputs not the labels.
    VolumeError
        If the labelled slices can't be used, or show nothing.
    """
    source, folder = Path(model), Path(data)
    paths = [Path(path) for path in bundles]
    if not paths:
        raise UsageError("there is nothing to compare the model with; give a bundle")
    names = distinct_names(paths)
    opened = [Bundle(path) for path in paths]
    manifest = opened[0].manifest
    for bundle in opened:
        bundle.check()
        check_alike(bundle, opened[0])
    check_labels(manifest)
    slices = slices_of(read_labelled(folder, progress), patients)
    runner = KerasRunner(source, manifest)

    steps = len(slices) * (1 + len(opened))
    with progress(steps, f"segmenting with {source.name}") as advance:
        keras = SliceSegmenter(
            runner,
            runner.preprocessing(manifest.preprocessing),
            runner.decoding(manifest.decoding),
        )
        reference = score(keras, slices, advance)
        require_truth(reference, folder)
        entries = []
        for name, bundle in zip(names, opened, strict=True):
            advance(0, note=f"measuring {name}")
            footprint = measure_bundle(bundle)
            segmented = partial(advance, note=f"segmenting with {name}")
            scores = score(segmenter_of(bundle), slices, segmented)
            entries.append(bundle_entry(name, str(bundle.path), footprint, scores, reference))

    return Comparison(
        model=model_entry(source.name, str(source), size_of(source), reference),
        bundles=tuple(entries),
        patients=tuple(patient.patient for patient in reference),
        slices=len(slices),
        notes=tuple(_notes(names, opened, source)),
    )


def slices_of(
    slices: Sequence[LabelledSlice], patients: Iterable[str] | None
) -> tuple[LabelledSlice, ...]:
    """Return the slices of some patients, or all.

    Raises
    ------
    UsageError
        If a patient has no slice.
    """
    groups = by_patient(slices)
    names = list(groups) if patients is None else list(dict.fromkeys(patients))
    for patient in names:
        if patient not in groups:
            raise UsageError(
                f"no slices of {patient!r}; there are {len(groups)} patients such as {min(groups)}"
            )
    return tuple(labelled for patient in names for labelled in groups[patient])


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Name files by their stems, with as many folders before them as tells them apart.

    Raises
    ------
    UsageError
        If a file is given twice.
    """
    parts = [path.resolve().with_suffix("").parts for path in paths]
    for path, times in Counter(path.resolve() for path in paths).items():
        if times > 1:
            raise UsageError(f"{path} is given {times} times; give each bundle once")
    depth = [1] * len(paths)
    while True:
        names = ["/".join(own[-count:]) for own, count in zip(parts, depth, strict=True)]
        shared = {name for name, times in Counter(names).items() if times > 1}
        if not shared:
            return names
        depth = [count + (name in shared) for name, count in zip(names, depth, strict=True)]


def check_alike(bundle: Bundle, first: Bundle) -> None:
    """Refuse a bundle that reads or decodes otherwise than the first; sizes may differ.

    Raises
    ------
    BundleError
        If window, spacing, channels or decoding differ.
    """
    if _processing(bundle.manifest) != _processing(first.manifest):
        raise BundleError(
            f"{bundle.path} and {first.path} differ in window, spacing, channels or labels; "
            "compare bundles that were compiled alike"
        )


def check_labels(manifest: Manifest) -> None:
    """Refuse a network whose labels are not those of the labelled slices.

    Raises
    ------
    ModelError
        If it paints a value that is no KiTS label, or one by another name.
    """
    names = {label.value: label.name for label in manifest.labels}
    for value in sorted(set(manifest.decoding.channels) - {0}):
        if names[value].casefold() not in _MEANING.get(value, set()) | {f"label {value}"}:
            raise ModelError(
                f"{manifest.model_name} paints {names[value]!r} as {value}, which the labels do "
                "not know: theirs are 1 kidney, 2 tumor, 3 cyst; compile it with these "
                f"{field_name('labels')}"
            )


def require_truth(reference: PatientScores, data: Path | str) -> None:
    """Refuse labels that show nothing that the model can find.

    Raises
    ------
    VolumeError
        If no region of the model is labelled in any slice.
    """
    regions = reference[0].dice
    if all(
        patient.absent[region] == len(patient.masks) for patient in reference for region in regions
    ):
        raise VolumeError(
            f"no label in {data} shows {' or '.join(regions)}; give slices that show them"
        )


def size_of(model: Path) -> int:
    """Return the bytes of a model file, or of all files of a model folder."""
    files = [model] if model.is_file() else model.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def _processing(manifest: Manifest) -> tuple[object, ...]:
    """Return how slices become the input, and the output a mask, sizes aside."""
    meaning = msgspec.structs.replace(manifest.decoding, field=msgspec.UNSET)
    return msgspec.structs.replace(manifest.preprocessing, size=(1, 1)), meaning


def _notes(names: Sequence[str], bundles: Sequence[Bundle], model: Path) -> Iterable[str]:
    """Yield what the reader of the figures should know."""
    model_sha256 = hash_model(model)
    left_out = KITS_REGIONS.keys() - regions_of(bundles[0].manifest.decoding).keys()
    if left_out:
        yield f"left out, since no output paints them: {', '.join(sorted(left_out))}"
    foreign = [
        name
        for name, bundle in zip(names, bundles, strict=True)
        if bundle.manifest.model_sha256 != model_sha256
    ]
    if foreign:
        yield f"compiled from another file than {model.name}: {', '.join(foreign)}"
