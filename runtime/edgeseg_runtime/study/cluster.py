"""The Dask cluster of a study: one on this machine that ends with it, or one that runs."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from types import ModuleType
from typing import Any

from edgeseg.errors import EdgesegError, UsageError
from edgeseg.files.ownership import scratch_folder
from edgeseg_runtime.study.dask_workers import WorkerSpec

_LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 10.0
_LOGS = {"distributed": "critical", "distributed.client": "critical"}

_SETTINGS: Mapping[str, Any] = {
    # A volume may have half of its worker's memory, the pieces have the other.
    "distributed.worker.memory.terminate": 0.5,
    # No results are kept at workers, so there is nothing to spill, and nothing to pause for.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # No web pages that show a study to whoever asks.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # A worker that starts again on a busy machine is waited for.
    "distributed.deploy.lost-worker-timeout": "600s",
    "distributed.comm.timeouts.connect": "60s",
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": _LOGS["distributed"],
}


def require_dask() -> ModuleType:
    """Import Dask.distributed and return it.

    Raises
    ------
    UsageError
        If the extra is not installed; the message names it.
    """
    try:
        import cryptography  # noqa: F401
        import dask

        # Read when the package is imported: keeps Dask's own log off the terminal.
        dask.config.set(logging=_LOGS)
        import distributed
    except ModuleNotFoundError:
        raise UsageError(
            "studies need the extra 'study'; install it with: pip install 'edgeseg[study]'"
        ) from None
    return distributed


@contextmanager
def local_cluster(specs: Sequence[WorkerSpec]) -> Iterator[Any]:
    """Yield a client of a cluster on this machine that ends with the block.

    It listens on loopback alone, and to those alone who have the certificate that is made for
    it and never leaves memory: whoever reaches a Dask worker can run anything there.
    """
    import dask

    distributed = require_dask()
    with (
        scratch_folder() as scratch,
        dask.config.set(_SETTINGS),
        ExitStack() as stack,
    ):
        security = distributed.Security.temporary()
        scheduler, workers = _specification(specs, security, str(scratch))
        with _interrupts_blocked():
            cluster = distributed.SpecCluster(workers, scheduler, security=security)
            stack.enter_context(cluster)
        client = distributed.Client(cluster, timeout=_CONNECT_SECONDS, set_as_default=False)
        yield stack.enter_context(client)


@contextmanager
def remote_cluster(address: str) -> Iterator[Any]:
    """Yield a client of a scheduler that runs; certificates are those of Dask's configuration.

    Raises
    ------
    UsageError
        If the address is ``tls://`` and there are no certificates.
    EdgesegError
        If there is no scheduler, or it speaks another protocol.
    """
    distributed = require_dask()
    certificates = distributed.Security().get_connection_args("client")["ssl_context"]
    if address.startswith("tls://") and certificates is None:
        raise UsageError(
            f"{address} needs certificates; name them in Dask's configuration, such as "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, __CLIENT__CERT and __CLIENT__KEY"
        )
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TypeError, ValueError, RuntimeError, distributed.TimeoutError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EdgesegError(
            f"no Dask scheduler answers at {address} ({reason}); start one with: dask scheduler, "
            "and give its address"
        ) from None
    with client:
        yield client


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block interrupts for all threads and processes that are started in the block.

    The terminal sends a Ctrl-C to all processes; workers end when the study ends them.
    """
    # Started later it would let interrupts through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _specification(
    specs: Sequence[WorkerSpec], security: Any, scratch: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Describe scheduler and workers in Dask's terms."""
    distributed = require_dask()
    common = {
        "host": _LOOPBACK,
        "protocol": "tls://",
        "security": security,
        "dashboard": False,
        "dashboard_address": f"{_LOOPBACK}:0",
    }
    workers = {
        f"worker-{number}": {
            "cls": distributed.Nanny,
            "options": {
                **common,
                "nthreads": spec.cores,
                "memory_limit": spec.memory_limit,
                "resources": spec.resources,
                "local_directory": scratch,
                "env": {**spec.environment, "TMPDIR": scratch},
            },
        }
        for number, spec in enumerate(specs, start=1)
    }
    return {"cls": distributed.Scheduler, "options": common}, workers
