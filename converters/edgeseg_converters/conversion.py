"""The compile: from a trained Keras model to a bundle, as a short list of passes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from edgeseg.bundle.bundle_file import write_bundle
from edgeseg.bundle.manifest import Manifest, format_for
from edgeseg.bundle.manifest_checks import contradiction
from edgeseg.errors import EdgesegError, field_name
from edgeseg.files.atomic import check_writable, write_json
from edgeseg.progress import Progress, Tell, silent, untold
from edgeseg_converters.assemble import assemble, compiler_versions, hash_model
from edgeseg_converters.compress.calibration import MAX_SLICES, evenly_spaced
from edgeseg_converters.compress.compress import compress
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.network import Network
from edgeseg_converters.options import ConversionOptions, options_from, partition_request
from edgeseg_converters.partition import Cut, cut_network
from edgeseg_converters.precision.assign import Chosen, compile_pieces, rounds
from edgeseg_converters.precision.piece_loss import measure_losses
from edgeseg_converters.precision.wire_ratios import measure_wire_ratios
from edgeseg_converters.prepare import CHECKED_SLICES, Prepared, prepare
from edgeseg_converters.reports.conversion import ConversionReport, History, make_report
from edgeseg_converters.tflite.check import Check, compare, require_same
from edgeseg_converters.tflite.export import compile_graph


def convert(  # noqa: PLR0913 - one keyword a callback
    model: Path | str,
    output: Path | str,
    options: ConversionOptions | None = None,
    *,
    report: Path | str | None = None,
    progress: Progress = silent,
    tell: Tell = untold,
    **fields: Any,
) -> ConversionReport:
    """Compile a Keras U-Net into a bundle of TFLite pieces; same input, same bytes.

    Parameters
    ----------
    model
        A ``.keras`` or ``.h5`` file, or a SavedModel folder with a Keras graph.
    output
        The ``.edgeseg`` file to write.
    options
        How the model is cut and compressed; None for the defaults.
    report
        A JSON file to write the returned report to as well.
    progress
        Told how far the compile is.
    tell
        Called with a line of detail where something was read or decided.
    **fields
        Fields of :class:`~edgeseg_converters.ConversionOptions` to set, such as
        ``max_partitions=6``.

    Returns
    -------
    ConversionReport
        Figures of the bundle and of each piece.

    Raises
    ------
    UsageError
        If options are wrong.
    ModelError
        If the model can't be read or compiled.
    BudgetError
        If no partition meets the budget.
    VolumeError
        If the calibration slices can't be read.
    OutputError
        If a file can't be written; nothing half-written is left.
    PlacementError
        If no cut was found whose pieces fit the boards.
    EdgesegError
        If float32 pieces do not give the uncut model's output: bit by bit, or within rounding
        where a tolerance, ``data`` or ``channel`` adds up in another order.
    TypeError
        If there is no such field.
    """
    source, target = Path(model), Path(output)
    options = options_from(options, fields)
    options = options.with_recipe(options.compression)
    recipe = options.compression
    check_writable(target, None if report is None else Path(report))

    prepared = prepare(source, options)
    tell(f"{source.name} has {len(prepared.network.graph.layers)} layers")
    slices = prepared.images if options.calibration else ()
    compressed = compress(prepared.network, recipe, slices, progress)
    network = compressed.network
    cut = cut_network(network, options.strategy, partition_request(options, progress))
    tell(f"{field_name('strategy')} {options.strategy} makes {len(cut.pieces)} pieces of it")

    compiled = _compile(network, cut, prepared, recipe, progress)
    cut, chosen = compiled.cut, compiled.chosen
    with progress(2 * len(cut.pieces), "measuring what compression costs") as advance:
        measured = measure_losses(
            prepared.network, compressed, cut, chosen, slices, prepared.decoding, advance
        )
        ratios = measure_wire_ratios(chosen.compiled, slices)
        advance(0, note="packing pieces")
        assembled = assemble(chosen.compiled, cut.network.weights, advance)

    manifest = Manifest(
        format=format_for(prepared.preprocessing, prepared.decoding),
        model_name=source.stem,
        model_sha256=hash_model(source),
        preprocessing=prepared.preprocessing,
        labels=prepared.labels,
        decoding=prepared.decoding,
        pieces=assembled.pieces,
        settings=options.recorded(),
        postprocess=prepared.rules or msgspec.UNSET,
        versions=compiler_versions(),
        wire=ratios or msgspec.UNSET,
    )
    _require_consistent(manifest)
    write_bundle(target, manifest, assembled.packed)
    history = History(
        prepared.network.graph,
        network.graph,
        chosen,
        measured.losses,
        assembled.measurements,
        (*prepared.notes, *compressed.notes, *cut.notes, *measured.notes),
        cut.comparison,
        cut.pieces,
    )
    conversion_report = make_report(manifest, compiled.check, target.stat().st_size, history)
    if report is not None:
        write_json(Path(report), conversion_report)
    return conversion_report


def _require_consistent(manifest: Manifest) -> None:
    """Refuse to write what no edgeseg would read.

    Raises
    ------
    EdgesegError
        If the manifest contradicts itself.
    """
    problem = contradiction(manifest)
    if problem is not None:
        raise EdgesegError(
            f"the compiled model contradicts itself: {problem}; no bundle is written, please "
            "report the model"
        )


@dataclass(frozen=True)
class _CompiledCut:
    """A cut, its pieces, and how far their output is from the uncut model's."""

    cut: Cut
    chosen: Chosen
    check: Check


def _compile(
    network: Network, cut: Cut, prepared: Prepared, recipe: Recipe, progress: Progress
) -> _CompiledCut:
    """Compile a cut, or what stands by for it where its float32 output is too far off.

    Raises
    ------
    EdgesegError
        If float32 pieces of the last cut that stands by are too far off as well.
    """
    with progress(1, "compiling the uncut model") as advance:
        uncut = compile_graph(network.graph, network.weights, plain=True)
        advance()
    images = evenly_spaced(prepared.images, MAX_SLICES)
    checked = evenly_spaced(images, CHECKED_SLICES)
    while True:
        with progress(rounds(recipe) * len(cut.pieces), "compiling pieces") as advance:
            chosen = compile_pieces(cut, recipe, images, prepared.decoding, advance)
        check = compare(uncut, chosen.compiled, checked, prepared.preprocessing, prepared.decoding)
        if recipe.quantize != "none":
            return _CompiledCut(cut, chosen, check)
        if cut.otherwise is None or check.max_abs_difference <= cut.tolerance:
            require_same(check, cut.tolerance)
            return _CompiledCut(cut, chosen, check)
        note = (
            f"the quickest pieces change a probability by {check.max_abs_difference:.3g}, more "
            f"than {cut.tolerance:g}: those of the same bits are taken; "
            f"{field_name('tolerance')} allows more"
        )
        stands_by = cut.otherwise()
        cut = replace(stands_by, notes=(note, *stands_by.notes))
