"""The compile: from a trained Keras model to a bundle, as a short list of passes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeseg.bundle import write_bundle
from edgeseg.files import check_writable, write_json
from edgeseg.manifest import FORMAT, Manifest, Preprocessing
from edgeseg.terminal import progress
from edgeseg_converters.assemble import assemble, compiler_versions, hash_model
from edgeseg_converters.calibration import MAX_SLICES, noise_images, real_images
from edgeseg_converters.chain import Image, stages
from edgeseg_converters.check import compare, require_identical
from edgeseg_converters.export import Compiled, compile_graph
from edgeseg_converters.keras_file import load_model
from edgeseg_converters.keras_graph import read_network
from edgeseg_converters.network import Network
from edgeseg_converters.partition import STRATEGIES, Partition
from edgeseg_converters.prune.threshold import prune_below_threshold
from edgeseg_converters.quantize import SETUPS, int8
from edgeseg_converters.report import Report, make_report
from edgeseg_converters.rewrite.logits import complete_logits, decoding
from edgeseg_converters.settings import Settings

_CHECKED_SLICES = 4


def convert(  # noqa: PLR0913 - one keyword a flag
    model: Path | str,
    output: Path | str,
    *,
    strategy: str = "adaptive",
    metric: str = "flops",
    max_complexity: int | None = None,
    max_partitions: int | None = None,
    prune_ratio: float | None = None,
    quantize: str = "none",
    calibration: Path | str | None = None,
    window: tuple[float, float] = (0.0, 255.0),
    spacing_mm: float | None = None,
    labels: Sequence[str] | None = None,
    input_shape: tuple[int, ...] | None = None,
    report: Path | str | None = None,
) -> Report:
    """Compile a Keras U-Net into a bundle of TFLite pieces; same input, same bytes.

    Parameters
    ----------
    model
        A ``.keras`` or ``.h5`` file, or a SavedModel folder with a Keras graph.
    output
        The ``.edgeseg`` file to write.
    strategy
        ``adaptive``, ``block`` or ``layer``.
    metric
        What complexity means: ``flops``, ``parameters`` or ``memory`` (bytes).
    max_complexity
        No piece exceeds it; sets the number of pieces where ``max_partitions`` is None.
    max_partitions
        Most pieces allowed.
    prune_ratio
        Weights below this many standard deviations of their kernel become zero.
    quantize
        ``none``, ``float16``, ``dynamic`` or ``int8``.
    calibration
        Slices to calibrate int8 and to check on: a NIfTI file or a folder of PNG slices.
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
    EdgesegError
        If float32 pieces are not bit-identical to the uncut model.
    """
    source, target = Path(model), Path(output)
    scan = None if calibration is None else Path(calibration)
    settings = Settings(
        strategy,
        metric,
        max_complexity,
        max_partitions,
        prune_ratio,
        quantize,
        scan,
        window,
        spacing_mm,
    )
    for file in (target, *([] if report is None else [Path(report)])):
        check_writable(file)

    network = read_network(load_model(source), input_shape)
    graph, note = complete_logits(network.graph)
    network = Network(graph, network.weights)
    how, named = decoding(graph, labels)
    preprocessing = settings.preprocessing(graph.inputs[0])
    images = _images(settings, preprocessing)
    if prune_ratio is not None:
        network = prune_below_threshold(network, prune_ratio)
    partition = STRATEGIES[strategy](graph, settings.request)

    # A step for the uncut model, one for the check, and two or three for every piece.
    rounds = 3 if quantize == "int8" else 2
    with progress(2 + rounds * len(partition), "compiling the uncut model") as advance:
        uncut = compile_graph(graph, network.weights)
        advance(note="compiling pieces")
        compiled = _compile(network, partition, quantize, images, advance)
        check = compare(uncut, compiled, _spread(images, _CHECKED_SLICES), preprocessing, how)
        if quantize == "none":
            require_identical(check)
        advance(note="packing pieces")
        pieces, packed = assemble(compiled, network.weights, advance)

    manifest = Manifest(
        format=FORMAT,
        model_name=source.stem,
        model_sha256=hash_model(source),
        preprocessing=preprocessing,
        labels=named,
        decoding=how,
        pieces=pieces,
        settings=settings.recorded(),
        versions=compiler_versions(),
    )
    write_bundle(target, manifest, packed)
    made = make_report(manifest, check, target.stat().st_size, [note] if note else [])
    if report is not None:
        write_json(Path(report), made)
    return made


def _images(settings: Settings, preprocessing: Preprocessing) -> list[Image]:
    """Read the slices to calibrate and check on, or make some up."""
    if settings.calibration is None:
        return noise_images(preprocessing, _CHECKED_SLICES)
    most = MAX_SLICES if settings.quantize == "int8" else _CHECKED_SLICES
    return real_images(settings.calibration, preprocessing, most)


def _compile(
    network: Network,
    partition: Partition,
    precision: str,
    images: Sequence[Image],
    advance: Callable[..., None],
) -> list[Compiled]:
    """Compile every piece; int8 pieces are calibrated with what reaches them in float32."""
    setup = SETUPS.get(precision)
    compiled = []
    for piece in partition:
        compiled.append(compile_graph(piece, network.weights, setup))
        advance()
    if precision != "int8":
        return compiled
    quantized = []
    # There is one stage more than pieces: what leaves the last one.
    for piece, entering in zip(partition, stages(compiled, images), strict=False):
        quantized.append(compile_graph(piece, network.weights, int8(entering)))
        advance(note="calibrating pieces")
    return quantized


def _spread(images: Sequence[Image], count: int) -> list[Image]:
    step = max(1, len(images) // count)
    return list(images[::step][:count])
