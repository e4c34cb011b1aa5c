"""``edgeseg inspect``: what a Keras model is made of and what each layer costs."""

from pathlib import Path
from typing import Annotated

import typer

from edgeseg.output.terminal import console, emit_json, note


def inspect(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A .keras or .h5 file, or a SavedModel folder with its graph."
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
    input_shape: Annotated[
        str | None,
        typer.Option(metavar="H,W[,C]", help="Read the model at this input size."),
    ] = None,
    model_output: Annotated[
        str | None,
        typer.Option(metavar="NAME|N", help="Read what makes this one of several outputs."),
    ] = None,
) -> None:
    """Show a model's layers with shapes, parameters, FLOPs, and bytes alive at every cut."""
    from edgeseg_converters.model_input import channel_choices
    from edgeseg_converters.notation import parse_output
    from edgeseg_converters.reports.inspection import inspect_model, inspection_table

    output = None if model_output is None else parse_output(model_output)
    inspection = inspect_model(model, input_shape, output)
    channels = inspection.input_shape[-1]
    if channels > 1:
        note(f"convert must be told what the {channels} channels are: {channel_choices(channels)}")
    if as_json:
        emit_json(inspection)
    else:
        console.print(inspection_table(inspection), crop=console.is_terminal)
