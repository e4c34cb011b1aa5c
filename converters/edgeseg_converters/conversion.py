"""The compile: from a trained Keras model to a bundle, as a short list of passes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgeseg.boards.boards_file import BoardsFile, read_boards
from edgeseg.bundle.bundle_file import write_bundle
from edgeseg.bundle.manifest import FORMAT, Manifest
from edgeseg.errors import field_name
from edgeseg.files.atomic import write_json
from edgeseg.output.terminal import detail, progress
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.assemble import assemble, compiler_versions, hash_model
from edgeseg_converters.compress.calibration import MAX_SLICES, evenly_spaced
from edgeseg_converters.compress.compress import compress
from edgeseg_converters.compress.recipe import Recipe, chosen_recipe
from edgeseg_converters.options import Settings
from edgeseg_converters.partition import Cut, cut_network
from edgeseg_converters.precision.assign import Chosen, compile_pieces, rounds
from edgeseg_converters.precision.piece_loss import measure_losses
from edgeseg_converters.prepare import CHECKED_SLICES, Prepared, check_outputs, prepare
from edgeseg_converters.reports.conversion import ConversionReport, History, make_report
from edgeseg_converters.tflite.check import Check, compare, require_same
from edgeseg_converters.tflite.export import Compiled, compile_graph


def convert(  # noqa: PLR0913 - one keyword a flag
    model: Path | str,
    output: Path | str,
    *,
    strategy: str = "adaptive",
    metric: str = "flops",
    max_complexity: int | None = None,
    max_partitions: int | None = None,
    max_activations: int | None = None,
    tolerance: float | None = None,
    ways: int | None = None,
    boards: BoardsFile | Path | str | None = None,
    recipe: Recipe | Path | str | None = None,
    prune_ratio: float | None = None,
    quantize: str | None = None,
    calibration: Path | str | None = None,
    window: tuple[float, float] = (0.0, 255.0),
    spacing_mm: float | None = None,
    labels: Sequence[str] | None = None,
    input_shape: tuple[int, ...] | None = None,
    report: Path | str | None = None,
) -> ConversionReport:
    """Compile a Keras U-Net into a bundle of TFLite pieces; same input, same bytes.

    Parameters
    ----------
    model
        A ``.keras`` or ``.h5`` file, or a SavedModel folder with a Keras graph.
    output
        The ``.edgeseg`` file to write.
    strategy
        Where the network is cut: ``adaptive`` shares complexity evenly, ``block`` cuts where the
        resolution changes, ``layer`` wherever possible, ``optimal`` where that suits the boards;
        ``data`` divides rows over several boards, and ``channel`` channels;
        ``auto`` takes what promises the most slices a second. Each function of
        :mod:`edgeseg_converters.partition` says when to use it.
    metric
        What complexity means: ``flops``, ``parameters`` or ``memory`` (bytes).
    max_complexity
        No piece exceeds it; sets the number of pieces where ``max_partitions`` is None.
    max_partitions
        Most pieces allowed.
    max_activations
        Bytes that may be alive at once within a piece, as float32. Pieces with more are cut where
        the resolution changes, and compute their rows in bands, some of them twice; the masks
        stay the same.
    tolerance
        How far a float32 probability may be from the uncut model's: convolutions of many channels
        then take a third fewer multiplications, and a third more memory for their weights. Where
        the check finds one further off, pieces are compiled as without.
    ways
        Tiles or branches that ``data`` and ``channel`` divide into, at least 2.
    boards
        What the pieces are for: a boards file, or its contents.
    recipe
        How the network is compressed: a recipe, the name of a preset, or a TOML file.
    prune_ratio
        Short for a recipe: weights below this many standard deviations of their kernel become
        zero.
    quantize
        Short for a recipe: ``none``, ``float16``, ``dynamic`` or ``int8``.
    calibration
        Unlabelled slices to calibrate int8, to take batch statistics and to fine-tune on, and to
        check on: a NIfTI file or a folder of PNG slices.
    window
        HU that become the model's lowest and highest input.
    spacing_mm
        Pixel size that the model was trained at; None where it takes the field of view as it is.
    labels
        Names of the labels, one an output channel (a softmax's background left out).
    input_shape
        (H, W) or (H, W, C) to compile the model at.
    report
        A JSON file to write the returned report to as well.

    Raises
    ------
    UsageError
        If settings are wrong.
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
    """
    source, target = Path(model), Path(output)
    scan = None if calibration is None else Path(calibration)
    settings = Settings(
        strategy,
        metric,
        max_complexity,
        max_partitions,
        chosen_recipe(recipe, prune_ratio, quantize),
        scan,
        window,
        spacing_mm,
        ways,
        boards if boards is None or isinstance(boards, BoardsFile) else read_boards(Path(boards)),
        max_activations,
        tolerance,
    )
    check_outputs(target, *([] if report is None else [Path(report)]))

    prepared = prepare(source, settings, labels, input_shape)
    detail(f"{source.name} has {len(prepared.network.graph.layers)} layers")
    slices = prepared.images if settings.calibration else ()
    compressed = compress(prepared.network, settings.recipe, slices, progress)
    network, images = compressed.network, evenly_spaced(prepared.images, MAX_SLICES)
    cut = cut_network(network, strategy, settings.request)
    detail(f"{field_name('strategy')} {strategy} makes {len(cut.pieces)} pieces of it")

    # A step for the uncut model, one for the check, and two a piece for measuring it.
    steps = 2 + (rounds(settings.recipe) + 2) * len(cut.pieces)
    with progress(steps, "compiling the uncut model") as advance:
        uncut = compile_graph(network.graph, network.weights, plain=True)
        advance(note="compiling pieces")
        cut, chosen, check = _checked(cut, uncut, prepared, settings.recipe, images, advance)
        advance(note="measuring what compression costs")
        lost = measure_losses(
            prepared.network, compressed, cut, chosen, slices, prepared.decoding, advance
        )
        advance(0, note="packing pieces")
        assembled = assemble(chosen.compiled, cut.network.weights, advance)

    manifest = Manifest(
        format=FORMAT,
        model_name=source.stem,
        model_sha256=hash_model(source),
        preprocessing=prepared.preprocessing,
        labels=prepared.labels,
        decoding=prepared.decoding,
        pieces=assembled.pieces,
        settings=settings.recorded(),
        versions=compiler_versions(),
    )
    write_bundle(target, manifest, assembled.packed)
    history = History(
        prepared.network.graph,
        network.graph,
        chosen,
        lost.losses,
        assembled.measurements,
        (*prepared.notes, *compressed.notes, *cut.notes, *lost.notes),
        cut.comparison,
        cut.pieces,
    )
    made = make_report(manifest, check, target.stat().st_size, history)
    if report is not None:
        write_json(Path(report), made)
    return made


def _checked(  # noqa: PLR0913, PLR0917 - all that pieces are compiled and checked with
    cut: Cut,
    uncut: Compiled,
    prepared: Prepared,
    recipe: Recipe,
    images: Sequence[ModelInput],
    advance: Callable[..., None],
) -> tuple[Cut, Chosen, Check]:
    """Compile a cut, or what stands by for it where its float32 output is too far off."""
    chosen = compile_pieces(cut, recipe, images, prepared.decoding, advance)
    few = evenly_spaced(images, CHECKED_SLICES)
    check = compare(uncut, chosen.compiled, few, prepared.preprocessing, prepared.decoding)
    if recipe.quantize != "none":
        return cut, chosen, check
    if cut.otherwise is None or check.max_abs_difference <= cut.tolerance:
        require_same(check, cut.tolerance)
        return cut, chosen, check
    note = (
        f"the quickest pieces change a probability by {check.max_abs_difference:.3g}, more than "
        f"{cut.tolerance:g}: those of the same bits are taken; {field_name('tolerance')} allows "
        "more"
    )
    exact = cut.otherwise()
    exact = replace(exact, notes=(note, *exact.notes))
    return _checked(exact, uncut, prepared, recipe, images, partial(advance, 0))
