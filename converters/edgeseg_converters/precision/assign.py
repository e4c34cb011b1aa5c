"""The precision of each piece: quantized where the recipe says so and where that pays."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from edgeseg.bundle.bundle_file import pack
from edgeseg.bundle.manifest import Decoding
from edgeseg.errors import EdgesegError
from edgeseg.inference.banded import runner_of
from edgeseg.inference.engine import open_engine
from edgeseg.text.units import format_bytes
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.calibration import evenly_spaced
from edgeseg_converters.compress.recipe import Precision, Recipe
from edgeseg_converters.partition import Cut
from edgeseg_converters.precision.quantize import converter_setups, sparse
from edgeseg_converters.precision.sensitivity import dice_losses
from edgeseg_converters.precision.sparse_encoding import where_smaller
from edgeseg_converters.tflite.export import Compiled, ConverterSetup, compile_graph

SENSITIVITY_SLICES = 8
_NOISE = 1.1
"""Times that differ by less count as equal."""
_TURNS = 25


@dataclass(frozen=True)
class Chosen:
    """The pieces as they go into the bundle, and why they are as they are.

    Attributes
    ----------
    exact
        The pieces in float32, in order.
    compiled
        Those that go into the bundle.
    precisions
        What each computes in; ``none`` is float32.
    losses
        Dice that quantizing each piece alone costs, None where it was not measured.
    notes
        What the user should know, a line each.
    """

    exact: tuple[Compiled, ...]
    compiled: tuple[Compiled, ...]
    precisions: tuple[Precision, ...]
    losses: tuple[float | None, ...]
    notes: tuple[str, ...] = ()


def rounds(recipe: Recipe) -> int:
    """Count how often :func:`compile_pieces` advances for each piece."""
    quantized = recipe.quantize != "none"
    measured = quantized and recipe.dice_tolerance is not None
    return 1 + quantized + measured + recipe.sparse_encoding


def compile_pieces(
    cut: Cut,
    recipe: Recipe,
    images: Sequence[ModelInput],
    decoding: Decoding,
    advance: Callable[..., None],
) -> Chosen:
    """Compile every piece in the precision of the recipe, or in float32 where that is better.

    With a ``dice_tolerance`` in the recipe, a piece stays in float32 if quantizing it alone
    costs more Dice, or makes it larger or slower. Times are those of this machine: another one
    may choose otherwise. Without a tolerance every piece is quantized that LiteRT then runs.

    Parameters
    ----------
    images
        Slices to calibrate int8 and to measure on, (1, H, W, C) each.
    advance
        Called :func:`rounds` times a piece.

    Raises
    ------
    ModelError
        If a piece can't be compiled.
    """

    def compiled(setups: Iterable[ConverterSetup | None], note: str) -> tuple[Compiled, ...]:
        pieces = []
        for piece, setup in zip(cut.pieces, setups, strict=True):
            banding = cut.bandings.get(piece.name)
            pieces.append(compile_graph(piece, cut.network.weights, setup, banding))
            advance(note=note)
        return tuple(pieces)

    count = len(cut.pieces)
    plain: Precision = "none"
    exact = compiled([None] * count, "compiling pieces")
    chosen = Chosen(exact, exact, (plain,) * count, (None,) * count)
    if recipe.quantize != "none":
        lower = (recipe.quantize,) * count
        setups = converter_setups(lower, exact, images)
        chosen = _lowered(cut, chosen, setups, recipe.quantize, advance)
    if recipe.quantize != "none" and recipe.dice_tolerance is not None:
        slices = evenly_spaced(images, SENSITIVITY_SLICES)
        losses = []
        for loss in dice_losses(exact, chosen.compiled, slices, decoding, {}):
            losses.append(loss)
            advance(note="measuring what quantizing costs")
        chosen = _worthwhile(chosen, losses, recipe.dice_tolerance)
    if recipe.sparse_encoding:
        again = map(sparse, converter_setups(chosen.precisions, exact, images))
        encoding = where_smaller(chosen.compiled, compiled(again, "encoding zeros"))
        chosen = replace(chosen, compiled=encoding.pieces, notes=(*chosen.notes, encoding.note))
    return chosen


def _lowered(
    cut: Cut,
    exact: Chosen,
    setups: Iterable[ConverterSetup | None],
    precision: Precision,
    advance: Callable[..., None],
) -> Chosen:
    """Compile every piece in a lower precision; one that LiteRT then refuses stays in float32.

    It refuses a scale that is out of proportion to those around it, as that of a tensor which is
    zero on all slices.
    """
    compiled, precisions, notes = list(exact.compiled), list(exact.precisions), []
    for index, (piece, setup) in enumerate(zip(cut.pieces, setups, strict=True)):
        banding = cut.bandings.get(piece.name)
        try:
            compiled[index] = compile_graph(piece, cut.network.weights, setup, banding)
            precisions[index] = precision
        except EdgesegError:
            notes.append(
                f"{piece.name} is kept in float32: LiteRT refuses it in {precision}, as where a "
                "tensor is zero, or nearly, on all slices of the calibration"
            )
        advance(note=f"compiling pieces in {precision}")
    return replace(
        exact, compiled=tuple(compiled), precisions=tuple(precisions), notes=tuple(notes)
    )


def _worthwhile(lower: Chosen, losses: Sequence[float], tolerance: float) -> Chosen:
    """Put pieces back to float32 that lose too much, or gain nothing."""
    compiled, precisions = list(lower.compiled), list(lower.precisions)
    notes = list(lower.notes)
    for index, (before, after, loss) in enumerate(
        zip(lower.exact, lower.compiled, losses, strict=True)
    ):
        if precisions[index] == "none":
            continue
        drawback = _loses(loss, tolerance) or _grows(before, after) or _slows(before, after)
        if drawback is not None:
            name, precision = before.graph.name, precisions[index]
            notes.append(f"{name} is kept in float32: {precision} {drawback}")
            compiled[index], precisions[index] = before, "none"
    return Chosen(lower.exact, tuple(compiled), tuple(precisions), tuple(losses), tuple(notes))


def _loses(loss: float, tolerance: float) -> str | None:
    if loss <= tolerance:
        return None
    return f"alone costs {loss:.4f} Dice, limit {tolerance:.4f}"


def _grows(before: Compiled, after: Compiled) -> str | None:
    small, large = len(pack(before.model)), len(pack(after.model))
    if large <= small:
        return None
    return f"makes it larger ({format_bytes(large)} against {format_bytes(small)} packed)"


def _slows(before: Compiled, after: Compiled) -> str | None:
    fast, slow = _taking_turns(before, after)
    if slow <= _NOISE * fast:
        return None
    return f"makes it slower ({slow:.2f} against {fast:.2f} ms)"


def _taking_turns(*pieces: Compiled) -> list[float]:
    """Return the shortest run of each piece in ms; what disturbs one turn disturbs all pieces."""
    runners = [runner_of(piece, open_engine(piece.model)) for piece in pieces]
    shortest = [float("inf")] * len(pieces)
    for turn in range(_TURNS + 1):
        for index, runner in enumerate(runners):
            runner.run_on_zeros()
            if turn:  # the first run warms up
                shortest[index] = min(shortest[index], 1e3 * runner.seconds)
    return shortest
