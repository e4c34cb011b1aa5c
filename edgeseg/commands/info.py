"""``edgeseg info``: what a bundle holds, at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from edgeseg.bundle.manifest import Manifest


def info(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .edgeseg file.")],
    json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Show what a bundle holds: model, preprocessing, labels, pieces."""
    import msgspec

    from edgeseg.bundle.bundle_file import Bundle
    from edgeseg.bundle.signature import signer
    from edgeseg.output.terminal import console, emit_json

    opened = Bundle(bundle)
    size = bundle.stat().st_size
    if json:
        of_file = {"bundle_bytes": size, "signed_by": signer(opened)}
        emit_json(msgspec.to_builtins(opened.manifest) | of_file)
    else:
        console.print(*_pages(opened.manifest, size, signer(opened)), sep="\n")


def _pages(manifest: "Manifest", size: int, signed_by: str | None) -> Iterator["RenderableType"]:
    from rich.markup import escape

    from edgeseg.bundle.meaning import describe_decoding, describe_wire
    from edgeseg.bundle.rules import describe
    from edgeseg.imaging.levels import describe_input
    from edgeseg.text.units import format_bytes

    preprocessing = manifest.preprocessing
    rows, cols = preprocessing.size
    spacing = f"{preprocessing.spacing_mm:g} mm" if preprocessing.spacing_mm else "field of view"
    labels = (
        f"[{label.color}]■[/] {label.value} {escape(label.name)}" for label in manifest.labels
    )
    settings = (
        escape(f"{key} {value}") for key, value in manifest.settings.items() if value is not None
    )
    name = escape(manifest.model_name)
    yield f"[bold]{name}[/bold]  {format_bytes(size)}, format {manifest.format}"
    yield f"input     {rows} x {cols}, {describe_input(preprocessing)}, fitted to {spacing}"
    yield f"labels    {'  '.join(labels)}"
    yield f"mask      {escape(describe_decoding(manifest.decoding, manifest.labels))}"
    rules = "  ".join(describe(rule) for rule in manifest.rules)
    yield f"rules     {escape(rules) or 'none: masks are as the model makes them'}"
    yield f"settings  {'  '.join(settings)}"
    if manifest.wire_ratios:
        yield f"wire      {describe_wire(manifest)}"
    if signed_by is not None:
        yield f"signed    by {signed_by}; edgeseg verify tells whether that is true"
    yield _piece_table(manifest)


def _piece_table(manifest: "Manifest") -> "Table":
    from edgeseg.output.terminal import figure_table
    from edgeseg.text.units import format_bytes, format_count

    figures = ("layers", "params", "FLOPs", "size", "packed", "memory", "in", "out")
    table = figure_table(("piece",), figures)
    for piece in manifest.pieces:
        table.add_row(
            piece.name,
            str(len(piece.layers)),
            format_count(piece.parameters),
            format_count(piece.flops),
            format_bytes(piece.bytes),
            format_bytes(piece.compressed_bytes),
            format_bytes(piece.peak_memory_bytes),
            format_bytes(sum(port.nbytes for port in piece.inputs)),
            format_bytes(sum(port.nbytes for port in piece.outputs)),
        )
    return table
