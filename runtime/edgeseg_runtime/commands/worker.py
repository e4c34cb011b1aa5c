"""``edgeseg worker``: run pieces on this board."""

from pathlib import Path
from typing import Annotated

import typer

from edgeseg.cli.options import LogFormat
from edgeseg.output.terminal import voice


def worker(
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with these flags as keys, in underscores: memory_limit. "
            "Without it /etc/edgeseg/worker.toml is read if there is one; flags override it."
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            help="Where to listen, such as tcp://192.168.1.20:7355.",
            show_default="tcp://127.0.0.1:7355",
        ),
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option(help="What the process may take.", show_default="512MiB")
    ] = None,
    cores: Annotated[
        int | None, typer.Option(min=1, help="Pieces that run at once.", show_default="1")
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option("--insecure/--no-insecure", help="Listen beyond this machine without keys."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="FILE", help="This worker's own key, see edgeseg keygen.")
    ] = None,
    authorized: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Public keys of whoever may come.")
    ] = None,
    signed_by: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Take bundles signed by this key alone, a public file made by "
            "edgeseg keygen --signing.",
        ),
    ] = None,
    spool: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Where tensors are spooled between shifts.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve /metrics for Prometheus and /healthz there, such as 127.0.0.1:9090. They "
            "hold no data of patients, but beyond this machine anybody can read them.",
        ),
    ] = None,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(help="One line or one JSON object an event.", show_default="text"),
    ] = None,
    verbose: Annotated[
        bool | None, typer.Option("--verbose/--quiet", help="Log every order, or errors alone.")
    ] = None,
) -> None:
    """Run pieces on this board for whichever coordinator comes; Ctrl-C stops it."""
    flags = {
        "listen": listen,
        "memory_limit": memory_limit,
        "cores": cores,
        "insecure": insecure,
        "key": key,
        "authorized": authorized,
        "signed_by": signed_by,
        "spool": spool,
        "metrics": metrics,
        "log_format": log_format.value if log_format else voice.form,
        "verbose": voice.verbose if verbose is None else verbose,
    }
    from edgeseg_runtime import run_worker, worker_config

    run_worker(worker_config(config, flags))
