"""What ``edgeseg convert --dry-run`` tells: the pieces, before any of them is compiled."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.markup import escape
from rich.table import Table

from edgeseg.output.terminal import RESEARCH_NOTE, figure_table
from edgeseg.text.units import format_bytes, format_count
from edgeseg_converters.compress.prune.filters import prune_filters
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.network import Network
from edgeseg_converters.options import Settings
from edgeseg_converters.partition import Alternative, Cut, PartitionRequest, cut_network
from edgeseg_converters.partition.estimate import crossing_bytes, sketch
from edgeseg_converters.prepare import Prepared, check_outputs, prepare
from edgeseg_converters.search.flags import SearchGoal
from edgeseg_converters.search.ladder import Rung
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
    """

    model: str
    pieces: tuple[PieceDraft, ...]
    crossing_bytes: int
    writes: tuple[str, ...]
    notes: tuple[str, ...]
    strategies: tuple[Alternative, ...]
    research_note: str = RESEARCH_NOTE


def draft(  # noqa: PLR0913, PLR0917 - what a conversion is asked for
    model: Path,
    output: Path,
    rungs: Sequence[Rung],
    asked: SearchGoal | None,
    beside: Iterable[Path | None],
    calibration: Path | None,
    *,
    labels: Sequence[str] | None,
    input_shape: tuple[int, ...] | None,
    **settings: Any,
) -> ConversionDryRun:
    """Check and decide what a conversion would; nothing is compiled, trained or written.

    Parameters
    ----------
    model, output, calibration, labels, input_shape
        As for :func:`edgeseg_converters.convert`.
    beside
        What would be written beside the bundle.
    rungs
        The recipe, or those that a search would try.
    asked
        The search.
    **settings
        The other fields of :class:`~edgeseg_converters.options.Settings`.

    Raises
    ------
    EdgesegError
        As the conversion would before it compiles anything.
    """
    recipe = rungs[0].recipe
    chosen = Settings(recipe=recipe, calibration=calibration, **settings)
    writes = (output, *(path for path in beside if path is not None))
    check_outputs(*writes)
    if asked is not None:
        read_validation(asked.validate, asked.patients, asked.calibration)
    prepared = prepare(model, chosen, labels, input_shape)
    cut = cut_network(_pruned(prepared, recipe), chosen.strategy, chosen.request)
    return ConversionDryRun(
        model.stem,
        tuple(_pieces(cut, chosen.request)),
        crossing_bytes(cut.pieces, recipe.quantize),
        tuple(map(str, writes)),
        (*prepared.notes, *cut.notes, *_steps(rungs, asked, prepared.network.graph.parameters)),
        cut.comparison,
    )


def draft_table(made: ConversionDryRun) -> Table:
    """Lay a draft out in 80 columns, one row a piece."""
    table = figure_table(
        ("piece",),
        ("layers", "params", "FLOPs", "crossing", "~memory"),
        title=f"{escape(made.model)}: {len(made.pieces)} pieces",
        caption=f"{format_bytes(made.crossing_bytes)} cross between pieces\n{RESEARCH_NOTE}",
    )
    for piece in made.pieces:
        table.add_row(
            piece.name,
            str(piece.layers),
            format_count(piece.parameters),
            format_count(piece.flops),
            format_bytes(piece.crossing_bytes),
            format_bytes(piece.peak_memory_bytes),
        )
    return table


def _pruned(prepared: Prepared, recipe: Recipe) -> Network:
    """Return the network that would be cut: its filters decide where, its weights do not."""
    network = prepared.network
    request = None if recipe.filters is None else recipe.filters.of(network.graph.parameters)
    return network if request is None else prune_filters(network, request, prepared.images).network


def _pieces(cut: Cut, request: PartitionRequest) -> Iterator[PieceDraft]:
    sketches = [sketch(piece, request) for piece in cut.pieces]
    read = {port.tensor for seen in sketches for port in seen.inputs}
    for piece, seen in zip(cut.pieces, sketches, strict=True):
        yield PieceDraft(
            name=seen.name,
            layers=len(piece.layers),
            parameters=piece.parameters,
            flops=seen.flops,
            crossing_bytes=sum(port.nbytes for port in seen.outputs if port.tensor in read),
            peak_memory_bytes=seen.peak_memory_bytes,
        )


def _steps(rungs: Sequence[Rung], asked: SearchGoal | None, parameters: int) -> Iterator[str]:
    """Say what else would be done to the network."""
    if asked is not None:
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
        yield f"would {', '.join(step for step, wanted in steps.items() if wanted)}"
