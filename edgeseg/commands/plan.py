"""``edgeseg plan``: which board should run which piece, and what that would bring."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Goal(str, Enum):
    """What can be planned for."""

    throughput = "throughput"
    latency = "latency"
    memory = "memory"


class Codec(str, Enum):
    """How tensors pass between boards."""

    auto = "auto"
    none = "none"
    lossless = "lossless"
    half = "half"
    int8 = "int8"


def plan(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .edgeseg file.")],
    boards: Annotated[
        Path, typer.Option(help="TOML file that lists the boards, their memory and links.")
    ],
    objective: Annotated[
        Goal, typer.Option(help="Most slices a second, soonest slice, or smallest largest board.")
    ] = Goal.throughput,
    wire: Annotated[
        Codec, typer.Option(help="How tensors pass between boards; auto: lossless where it helps.")
    ] = Codec.auto,
    time_limit: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to look for something better.")
    ] = 4.0,
    plot: Annotated[
        Path | None, typer.Option(help="The network by board and three slices in time, PNG or SVG.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Plan where the pieces of a bundle should run, without any board at hand.

    Research use only, not a medical device.
    """
    from edgeseg.output.terminal import console, emit_json, progress
    from edgeseg.planning.bundle_plan import plan_bundle
    from edgeseg.planning.view.plot import check_plot, write_plot
    from edgeseg.planning.view.tables import plan_renderables

    if plot is not None:
        check_plot(plot)
    planned = plan_bundle(bundle, boards, objective.value, time_limit, progress, wire=wire.value)
    if plot is not None:
        write_plot(plot, planned.manifest, planned.coded, planned.plan)
    if json:
        emit_json(planned.report)
        return
    console.print(*plan_renderables(planned.report), sep="\n")
    if plot is not None:
        console.print(f"wrote {plot}", markup=False, soft_wrap=True)
