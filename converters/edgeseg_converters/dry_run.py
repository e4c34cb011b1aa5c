"""The dry run of a conversion: its pieces, before any of them is compiled."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.markup import escape
from rich.table import Table

from edgeseg.bundle.meaning import describe_decoding
from edgeseg.files.atomic import check_writable
from edgeseg.imaging.levels import describe_input
from edgeseg.output.terminal import RESEARCH_NOTE, figure_table
from edgeseg.progress import Progress, silent
from edgeseg.text.units import format_bytes, format_count
from edgeseg_converters.compress.prune.filters import prune_filters
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.network import Network
from edgeseg_converters.options import ConversionOptions, options_from, partition_request
from edgeseg_converters.partition import Alternative, Cut, cut_network
from edgeseg_converters.partition.estimate import Sketch, crossing_bytes
from edgeseg_converters.prepare import Prepared, prepare
from edgeseg_converters.search.goal import SearchGoal, require_calibration
from edgeseg_converters.search.ladder import Rung, rungs_of
from edgeseg_converters.search.validation import read_validation


class PieceDraft(msgspec.Struct, frozen=True):
    """A piece that is not compiled; memory is an estimate."""

    name: str
    layers: int
    parameters: int
    flops: int
    crossing_bytes: int
    peak_memory_bytes: int


class ConversionDryRun(msgspec.Struct, frozen=True):
    """A conversion that was not made.

    Attributes
    ----------
    pieces
        As the network would be cut; of a search, with its first recipe.
    crossing_bytes
        Of the tensors between pieces, each counted once.
    writes
        The files that would be written.
    strategies
        Those that were looked at, where there were several.
    meaning
        How the output would become a mask.
    input
        What the model reads of a slice, in words.
    """

    model: str
    pieces: tuple[PieceDraft, ...]
    crossing_bytes: int
    writes: tuple[str, ...]
    notes: tuple[str, ...]
    strategies: tuple[Alternative, ...]
    meaning: str
    input: str
    research_note: str = RESEARCH_NOTE


def preview_conversion(  # noqa: PLR0913 - a goal and options beside what is read and written
    model: Path | str,
    output: Path | str,
    options: ConversionOptions | None = None,
    *,
    goal: SearchGoal | None = None,
    beside: Iterable[Path | None] = (),
    progress: Progress = silent,
    **fields: Any,
) -> ConversionDryRun:
    """Check and decide what a conversion would; nothing is compiled, trained or written.

    Parameters
    ----------
    model, output, options, **fields
        As for :func:`edgeseg_converters.convert`.
    goal
        What a search would be asked for, if there would be one.
    beside
        What would be written beside the bundle.
    progress
        Told how far it is.

    Raises
    ------
    EdgesegError
        As the conversion would before it compiles anything.
    """
    source, target = Path(model), Path(output)
    options = options_from(options, fields)
    rungs = rungs_of(options)
    options = options.with_recipe(rungs[0].recipe)
    writes = (target, *(path for path in beside if path is not None))
    check_writable(*writes)
    if goal is not None:
        calibration = require_calibration(options.calibration)
        read_validation(goal.validate, goal.patients, calibration, progress)
    prepared = prepare(source, options)
    request = partition_request(options, progress)
    cut = cut_network(_pruned(prepared, options.compression, progress), options.strategy, request)
    precision = options.compression.quantize
    steps = _steps(rungs, goal, prepared.network.graph.parameters)
    return ConversionDryRun(
        source.stem,
        tuple(_pieces(cut, precision)),
        crossing_bytes(cut.pieces, precision),
        tuple(map(str, writes)),
        (*prepared.notes, *cut.notes, *steps),
        cut.comparison,
        describe_decoding(prepared.decoding, prepared.labels),
        describe_input(prepared.preprocessing),
    )


def dry_run_table(dry_run: ConversionDryRun) -> Table:
    """Lay a dry run out in 80 columns, one row a piece."""
    table = figure_table(
        ("piece",),
        ("layers", "params", "FLOPs", "crossing", "~memory"),
        title=f"{escape(dry_run.model)}: {len(dry_run.pieces)} pieces",
        caption=(
            f"mask: {escape(dry_run.meaning)}\n"
            f"input: {dry_run.input}\n"
            f"{format_bytes(dry_run.crossing_bytes)} cross between pieces\n{RESEARCH_NOTE}"
        ),
    )
    for piece in dry_run.pieces:
        table.add_row(
            piece.name,
            str(piece.layers),
            format_count(piece.parameters),
            format_count(piece.flops),
            format_bytes(piece.crossing_bytes),
            format_bytes(piece.peak_memory_bytes),
        )
    return table


def _pruned(prepared: Prepared, recipe: Recipe, progress: Progress) -> Network:
    """Return the network that would be cut: its filters decide where, its weights do not."""
    network = prepared.network
    request = None if recipe.filters is None else recipe.filters.of(network.graph.parameters)
    return (
        network
        if request is None
        else prune_filters(network, request, prepared.images, progress).network
    )


def _pieces(cut: Cut, precision: str) -> Iterator[PieceDraft]:
    sketches = [
        Sketch(piece, precision, banding=cut.bandings.get(piece.name)) for piece in cut.pieces
    ]
    read = {port.tensor for sketch in sketches for port in sketch.inputs}
    for sketch in sketches:
        yield PieceDraft(
            name=sketch.name,
            layers=len(sketch.graph.layers),
            parameters=sketch.graph.parameters,
            flops=sketch.flops,
            crossing_bytes=sum(port.nbytes for port in sketch.outputs if port.tensor in read),
            peak_memory_bytes=sketch.peak_memory_bytes,
        )


def _steps(rungs: Sequence[Rung], goal: SearchGoal | None, parameters: int) -> Iterator[str]:
    """Yield a line on what else would be done to a network of so many parameters, if anything."""
    if goal is not None:
        names = ", ".join(rung.name for rung in rungs)
        yield f"would try {names}; the pieces below are those of {rungs[0].name}"
        return
    recipe, rounding = rungs[0].recipe, rungs[0].recipe.rounding
    steps = {
        "prune filters": recipe.filters and recipe.filters.of(parameters),
        "zero weights": recipe.zeros is not None,
        f"fine-tune for {recipe.finetune.epochs if recipe.finetune else 0} epochs": recipe.finetune,
        f"round weights to {rounding.bits if rounding else 0:g} bits": rounding,
        f"quantize to {recipe.quantize}": recipe.quantize != "none",
    }
    if any(steps.values()):
        yield f"would {', '.join(step for step, applies in steps.items() if applies)}"
