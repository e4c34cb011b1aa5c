"""What the wire costs: a tensor's hop beside a bare socket's, and slices a second with keys."""

import multiprocessing
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from measures import images

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.imaging.slices import SliceGeometry
from edgeseg.inference.process_memory import reuse_freed_memory
from edgeseg_runtime import Segmenter
from edgeseg_runtime.messaging.keys import KeyPair, make_keys, write_keys
from edgeseg_runtime.messaging.listener import Listener
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import Bye, Echo, Job, TensorData, tensor_array

SHAPE = (1, 256, 256, 32)
"""A tensor of 8 MiB."""

_BYTES = 4 * 256 * 256 * 32


def hop(rounds: int) -> float:
    """Median time of a tensor of 8 MiB from process to process, as a share of a bare socket's.

    Header, checks and the view as an array count; both are answered, and take turns.
    """
    reuse_freed_memory()
    array = np.zeros(SHAPE, np.float32)
    with _peer(_bare) as port, _peer(_listening) as endpoint, zmq.Context() as context:
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = PeerSocket(context, endpoint)
        times = [(_bare_hop(plain, array), _hop(link, array)) for _ in range(rounds)]
        link.send(Bye(""))
        link.close()
        plain.close()
    bare, ours = (statistics.median(column) for column in zip(*times, strict=True))
    return ours / bare


def encryption(bundle: Path, memory_limit: int, slices: int, rounds: int, folder: Path) -> float:
    """Slices a second of two workers of one core with keys, as a share of those without."""
    shares = []
    for number in range(rounds):
        plain, secret = (
            _slices_per_second(bundle, memory_limit, slices, keys)
            for keys in (None, _Keys(folder / f"keys-{number}"))
        )
        shares.append(secret / plain)
    return statistics.median(shares)


def _bare_hop(plain: socket.socket, array: Any) -> float:
    start = time.perf_counter()
    plain.sendall(array.data.cast("B"))
    plain.recv(1)
    return time.perf_counter() - start


def _hop(link: PeerSocket, array: Any) -> float:
    start = time.perf_counter()
    job = Job(1, 0, 0, SliceGeometry(256, 256))
    link.send(TensorData(job, "tensor", "float32", array.shape), array)
    while link.receive() is None:
        link.socket.poll()
    return time.perf_counter() - start


@contextmanager
def _peer(work: Callable[[Any], None]) -> Iterator[Any]:
    """Run the other end in a process of its own; yield where it listens."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,))
    process.start()
    try:
        yield ours.recv()
    finally:
        process.join(5)
        process.kill()


def _bare(pipe: Any) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    pipe.send(server.getsockname()[1])
    connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    whole = memoryview(bytearray(_BYTES))
    while True:
        received = 0
        while received < _BYTES:
            more = connection.recv_into(whole[received:])
            if not more:
                return
            received += more
        connection.sendall(b"k")


def _listening(pipe: Any) -> None:
    reuse_freed_memory()
    with zmq.Context() as context:
        listener = Listener(context, "tcp://127.0.0.1:*")
        pipe.send(listener.endpoint)
        while True:
            listener.socket.poll()
            received = listener.receive()
            if received is None:
                continue
            if not isinstance(received.message, TensorData):
                break
            tensor_array(received.message.dtype, received.message.shape, received.payload)
            listener.send(received.sender, Echo())
        listener.close()


class _Keys:
    """Keys of a coordinator and of two boards, in files."""

    def __init__(self, folder: Path) -> None:
        self.coordinator = make_keys()
        self._folder = folder
        (folder / "authorized").mkdir(parents=True)
        write_keys(self.coordinator, "coordinator", folder / "authorized")

    def board(self, name: str) -> tuple[KeyPair, tuple[str, ...]]:
        """Make keys of a board; return them, and the flags of its worker."""
        keys = make_keys()
        secret, _ = write_keys(keys, name, self._folder)
        return keys, ("--key", str(secret), "--authorized", str(self._folder / "authorized"))


def _slices_per_second(bundle: Path, limit: int, slices: int, keys: _Keys | None) -> float:
    voxels = images(slices)
    with ExitStack() as stack:
        entries = []
        for name in "ab":
            pair, flags = keys.board(name) if keys else (None, ())
            endpoint = stack.enter_context(_worker(limit, flags))
            entries.append(BoardEntry(name, endpoint, public_key=pair and pair.public))
        speaker = keys.coordinator if keys else None
        segmenter = stack.enter_context(Segmenter(bundle, entries, keys=speaker))
        segmenter.segment(voxels[:2])
        return segmenter.segment(voxels).report.slices_per_second


@contextmanager
def _worker(limit: int, flags: tuple[str, ...]) -> Iterator[str]:
    """Start a worker of one core on a free port; yield where it listens."""
    command = [sys.executable, "-m", "edgeseg", "worker", "--listen", "tcp://127.0.0.1:*"]
    words = ("--quiet", "--memory-limit", str(limit), *flags)
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            found = re.match(r"listening on (\S+)", process.stdout.readline())  # type: ignore[union-attr]
            assert found
            yield found[1]
        finally:
            process.terminate()
