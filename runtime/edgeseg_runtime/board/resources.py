"""What a worker opens when it starts, and keeps whichever coordinator it serves."""

import math
from dataclasses import dataclass
from pathlib import Path

import zmq

from edgeseg import __version__
from edgeseg.boards.boards_file import CoreSpeed
from edgeseg.bundle.signature import read_verify_key, require_extra
from edgeseg.codecs.measured_pace import measure_codecs
from edgeseg.errors import UsageError, field_name
from edgeseg.inference.engine import engine_name
from edgeseg.inference.measure import resident_bytes
from edgeseg.inference.process_memory import give_back_freed_memory
from edgeseg_runtime.board.config import WorkerConfig
from edgeseg_runtime.board.core_speed import measure_core_speed
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.memory.spool import spool_root, sweep
from edgeseg_runtime.board.telemetry.totals import WorkerInfo, WorkerTotals
from edgeseg_runtime.board.threads import Threads
from edgeseg_runtime.machine import cpu_share
from edgeseg_runtime.messaging.connection_guard import CONNECTIONS_BYTES
from edgeseg_runtime.messaging.endpoints import is_local, normalize_endpoint
from edgeseg_runtime.messaging.listener import Listener
from edgeseg_runtime.messaging.wire import CodecTime
from edgeseg_runtime.messaging.zap_auth import OpenAccess, authenticator_for


@dataclass(frozen=True)
class WorkerResources:
    """Sockets, threads and figures of a worker.

    Parameters
    ----------
    info
        What does not change while the worker runs.
    totals
        What it has done since it started.
    context, listener
        ZeroMQ's, and the one socket on which messages come in.
    authenticator
        Whom the worker hears.
    threads
        As many as it has cores.
    spool_root
        Folder for tensors that wait on disk.
    signer
        Public key by which bundles must be signed; None if any bundle will do.
    """

    info: WorkerInfo
    totals: WorkerTotals
    context: zmq.Context[zmq.Socket[bytes]]
    listener: Listener
    authenticator: OpenAccess
    threads: Threads
    spool_root: Path
    signer: bytes | None = None

    def new_ledger(self) -> Ledger:
        """Return a ledger in which nothing is entered but the worker itself, and connections."""
        return Ledger(self.info.memory_limit_bytes, self.info.base_memory_bytes)

    def close(self) -> None:
        """Stop the threads and close the sockets."""
        self.threads.close()
        self.listener.close()
        self.context.term()


def open_resources(config: WorkerConfig) -> WorkerResources:
    """Start to listen, and measure what the process takes before any piece.

    Raises
    ------
    UsageError
        If the endpoint or the keys can't be used, or signatures can't be checked here.
    BoardError
        If the endpoint is taken, the spool folder can't be used, or the memory limit is less than
        the process itself needs.
    """
    endpoint = normalize_endpoint(config.listen)
    # Before it listens, since who connects waits for an answer; and before the memory is measured:
    # what the probes leave behind is the process's own.
    core_speed, codecs = _measured_core(config.cores)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    authenticator = authenticator_for(context, config.key, config.authorized)
    threads = Threads(config.cores)
    listener = Listener(context, endpoint, authenticator.keys, threads.wake)
    versions = {"edgeseg": __version__, "engine": engine_name()}
    root = spool_root(config.spool)
    signer = _signer(config.signed_by)
    sweep(root)
    give_back_freed_memory()
    process_bytes = resident_bytes()
    base_bytes = process_bytes + CONNECTIONS_BYTES
    info = WorkerInfo(
        versions, config.limit, base_bytes, process_bytes, config.cores, core_speed, codecs
    )
    resources = WorkerResources(
        info, WorkerTotals(info), context, listener, authenticator, threads, root, signer
    )
    resources.new_ledger()
    return resources


def _measured_core(cores: int) -> tuple[CoreSpeed, dict[str, CodecTime]]:
    """Return how fast a core is at pieces and at codecs, with what a control group leaves of it."""
    share = min(1.0, (cpu_share() or math.inf) / cores)
    codecs: dict[str, CodecTime] = {
        pace.codec: CodecTime(1e9 * pace.encode / share, 1e9 * pace.decode / share)
        for pace in measure_codecs()
    }
    return measure_core_speed(share), codecs


def _signer(path: str | None) -> bytes | None:
    """Return the key by which bundles must be signed."""
    if path is None:
        return None
    require_extra()
    return read_verify_key(Path(path))


def check_exposure(config: WorkerConfig) -> None:
    """Make sure that other machines can reach the worker only with keys, or as the user said.

    Raises
    ------
    UsageError
        If that is not so, or the endpoint is none.
    """
    endpoint = normalize_endpoint(config.listen)
    if not is_local(endpoint) and not config.key and not config.insecure:
        raise UsageError(
            f"{endpoint} can be reached from other machines and anybody there could use this "
            f"worker; make a key with edgeseg keygen and give it with {field_name('key')}, or add "
            f"{field_name('insecure')} on a network you trust"
        )
