"""``edgeseg worker``: run pieces on this board."""

from typing import Annotated

import typer


def worker(
    listen: Annotated[
        str, typer.Option(help="Where to listen, such as tcp://192.168.1.20:7355.")
    ] = "tcp://127.0.0.1:7355",
    memory_limit: Annotated[
        str, typer.Option(help="What the process may take, such as 512MiB.")
    ] = "512MiB",
    cores: Annotated[int, typer.Option(min=1, help="Pieces that run at once.")] = 1,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without keys.")
    ] = False,
) -> None:
    """Run pieces on this board for whichever coordinator comes; Ctrl-C stops it."""
    from edgeseg.units import parse_bytes
    from edgeseg_runtime.worker import WorkerConfig, run_worker

    run_worker(WorkerConfig(listen, parse_bytes(memory_limit), cores, insecure))
