"""``edgeseg convert``: from a Keras model to a bundle of TFLite pieces."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edgeseg.errors import UsageError
from edgeseg.terminal import console, emit_json, messages
from edgeseg.units import parse_bytes

_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Strategy(str, Enum):
    """How the network is cut."""

    adaptive = "adaptive"
    block = "block"
    layer = "layer"


class Metric(str, Enum):
    """What complexity means."""

    flops = "flops"
    parameters = "parameters"
    memory = "memory"


class Precision(str, Enum):
    """What the pieces compute in."""

    none = "none"
    float16 = "float16"
    dynamic = "dynamic"
    int8 = "int8"


def convert(
    model: Annotated[
        Path, typer.Argument(help="A .keras or .h5 file, or a SavedModel folder with its graph.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="BUNDLE", help="The .edgeseg file to write.")
    ],
    *,
    strategy: Annotated[
        Strategy, typer.Option(help="Share complexity evenly, or cut at blocks or at every layer.")
    ] = Strategy.adaptive,
    metric: Annotated[Metric, typer.Option(help="What complexity means.")] = Metric.flops,
    max_complexity: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="No piece exceeds it: 5G, 1.5M; 512MiB where the metric is memory."
        ),
    ] = None,
    max_partitions: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Most pieces allowed.")
    ] = None,
    prune_ratio: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="R",
            help="Zero weights below R standard deviations of their kernel, in magnitude.",
        ),
    ] = None,
    quantize: Annotated[
        Precision, typer.Option(help="Precision; int8 needs --calibration.")
    ] = Precision.none,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="SCAN", help="NIfTI or folder of PNG slices to calibrate int8 and check on."
        ),
    ] = None,
    window: Annotated[
        str, typer.Option(metavar="LO,HI", help="HU that become the model's range.")
    ] = "0,255",
    spacing: Annotated[
        float | None,
        typer.Option(metavar="MM", help="Pixel size the model was trained at, if a fixed one."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Names of the labels, in channel order.")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option(metavar="H,W[,C]", help="Compile the model at this input size.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the report as JSON too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Cut a trained Keras U-Net into TFLite pieces, check them, and write one bundle."""
    limits = _window(window)
    budget = None if max_complexity is None else parse_complexity(max_complexity, metric.value)

    from edgeseg_converters.compiler import convert as compile_model
    from edgeseg_converters.input_shape import parse_input_shape
    from edgeseg_converters.report import summary_table

    made = compile_model(
        model,
        output,
        strategy=strategy.value,
        metric=metric.value,
        max_complexity=budget,
        max_partitions=max_partitions,
        prune_ratio=prune_ratio,
        quantize=quantize.value,
        calibration=calibration,
        window=limits,
        spacing_mm=spacing,
        labels=None if labels is None else [name.strip() for name in labels.split(",")],
        input_shape=None if input_shape is None else parse_input_shape(input_shape),
        report=report,
    )
    for note in made.notes:
        messages.print(note, markup=False)
    if as_json:
        emit_json(made)
    else:
        console.print(summary_table(made))


def parse_complexity(text: str, metric: str) -> int:
    """Read a budget such as ``5G`` or ``1.5M``, or bytes such as ``512MiB`` for memory.

    Raises
    ------
    UsageError
        If the text is no positive number with a known suffix.
    """
    if metric == "memory":
        return parse_bytes(text)
    number, suffix = text.strip(), ""
    if number and number[-1].upper() in _FACTORS:
        number, suffix = number[:-1], number[-1].upper()
    try:
        count = round(float(number) * _FACTORS[suffix])
    except (ValueError, OverflowError):
        count = 0
    if count <= 0:
        raise UsageError(f"--max-complexity {text!r} is no count; write it like 5G, 1.5M or 900000")
    return count


def _window(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--window {text!r} is no pair of HU; write it like 0,255") from None
    return low, high
