"""Machines on a switch, made of network namespaces: each with one wire of a given rate."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_SUBNET = "10.199.77"
_BURST = "256kb"
_QUEUE = "200ms"


@dataclass(frozen=True)
class Machine:
    """A namespace with an address on the switch, and the end of its wire there."""

    name: str
    namespace: str
    address: str
    switch: str
    port: str

    def command(self, words: Sequence[object]) -> list[str]:
        """Return the command that runs these words there."""
        return ["ip", "netns", "exec", self.namespace, *map(str, words)]


def missing() -> str | None:
    """Say what stands in the way of making machines here; None where nothing does."""
    if os.geteuid() != 0:
        return "namespaces need root"
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            return f"no {tool} here: install iproute2"
    try:
        with machines(["probe"], "1gbit"):
            return None
    except subprocess.CalledProcessError as error:
        return f"no namespaces with veth and tbf here: {error.stderr.strip()}"


@contextmanager
def machines(names: Sequence[str], rate: str) -> Iterator[dict[str, Machine]]:
    """Join machines by a switch, each by a wire of that rate both ways; remove all in the end.

    The switch is a namespace too: what is in a namespace goes with it, and the machine's own
    network stays as it is.

    Parameters
    ----------
    names
        Of the machines.
    rate
        As ``tc`` reads it, such as ``100mbit``.
    """
    prefix = f"edgeseg-lab-{os.getpid()}"
    with ExitStack() as stack:
        switch = _namespace(stack, f"{prefix}-switch")
        _run("ip", "-n", switch, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", switch, "link", "set", "bridge", "up")
        joined = {}
        for number, name in enumerate(names, start=1):
            namespace = _namespace(stack, f"{prefix}-{name}")
            machine = Machine(name, namespace, f"{_SUBNET}.{number}", switch, f"port{number}")
            _wire(machine, rate)
            joined[name] = machine
        yield joined


def set_cable(machine: Machine, state: str) -> None:
    """Pull the wire of a machine out of the switch (``down``), or plug it in (``up``)."""
    _run("ip", "-n", machine.switch, "link", "set", machine.port, state)


def _namespace(stack: ExitStack, name: str) -> str:
    stack.callback(_remove, name)  # first: a signal may come once the namespace is there
    _run("ip", "netns", "add", name)
    _run("ip", "-n", name, "link", "set", "lo", "up")
    return name


def _remove(namespace: str) -> None:
    """Remove a namespace, unless none was made."""
    if Path("/run/netns", namespace).exists():
        _run("ip", "netns", "delete", namespace)


def _wire(machine: Machine, rate: str) -> None:
    home, switch, port = machine.namespace, machine.switch, machine.port
    peer_end = ("peer", "name", port, "netns", switch)
    _run("ip", "-n", home, "link", "add", "eth0", "type", "veth", *peer_end)
    _run("ip", "-n", home, "address", "add", f"{machine.address}/24", "dev", "eth0")
    _run("ip", "-n", switch, "link", "set", port, "master", "bridge")
    for namespace, end in ((home, "eth0"), (switch, port)):
        _run("ip", "-n", namespace, "link", "set", end, "up")
        shape = ("rate", rate, "burst", _BURST, "latency", _QUEUE)
        _run("tc", "-n", namespace, "qdisc", "add", "dev", end, "root", "tbf", *shape)


def _run(*words: str) -> None:
    subprocess.run(words, capture_output=True, check=True, text=True)
