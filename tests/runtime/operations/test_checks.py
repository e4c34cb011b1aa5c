"""What is found on a machine, and what to do about it: pure functions of what was read."""

import pytest

from edgeseg.boards.boards_file import WORKER_BASE
from edgeseg_runtime.operations import checks
from edgeseg_runtime.operations.checks import Finding

_GIB = 2**30
_PACKAGES = {"numpy": "2.0", "pyzmq": "27"}


@pytest.mark.parametrize(
    ("finding", "status", "words"),
    [
        (checks.operating_system("Linux", "aarch64", 64), "ok", "aarch64"),
        (checks.operating_system("Linux", "aarch64", 32), "fail", "64-bit image"),
        (checks.operating_system("Darwin", "arm64", 64), "fail", "need Linux"),
        (checks.python((3, 11), _PACKAGES), "ok", "Python 3.11, numpy 2.0, pyzmq 27"),
        (checks.python((3, 9), _PACKAGES), "fail", "3.10 to 3.13"),
        (checks.python((3, 14), _PACKAGES), "fail", "3.10 to 3.13"),
        (checks.python((3, 10), {"numpy": None}), "fail", "pip install numpy"),
        (checks.memory(_GIB, 4 * _GIB, 2 * _GIB, None), "ok", "limit 1.0 GiB of 4.0 GiB"),
        (checks.memory(_GIB, 4 * _GIB, _GIB // 2, None), "warn", "stop other programs"),
        (checks.memory(5 * _GIB, 4 * _GIB, 4 * _GIB, None), "fail", "would be killed"),
        (checks.memory(2 * _GIB, 4 * _GIB, 3 * _GIB, _GIB), "fail", "1.0 GiB for this group"),
        (checks.memory(WORKER_BASE - 1, _GIB, _GIB, None), "fail", "raise memory_limit"),
        (checks.swap(0, 0), "ok", "none"),
        (checks.swap(_GIB, 0), "ok", "0 B of 1.0 GiB"),
        (checks.swap(_GIB, _GIB // 2), "warn", "512 MiB of 1.0 GiB"),
        (checks.disk("/cache", _GIB), "ok", "1.0 GiB free in /cache"),
        (checks.disk("/cache", 2**20), "warn", "free some space"),
        (checks.disk("/cache", None), "fail", "can't be written"),
        (checks.temperature(None), "ok", checks.NOT_TOLD),
        (checks.temperature(45.2), "ok", "45 °C"),
        (checks.temperature(71), "warn", "cool it"),
        (checks.temperature(84), "fail", "cool it"),
        (checks.throttling(None), "ok", checks.NOT_TOLD),
        (checks.throttling(0), "ok", "never"),
        (checks.throttling(0x50005), "fail", "too little voltage now"),
        (checks.throttling(0x50000), "warn", "too little voltage since the boot"),
        (checks.throttling(0x80008), "fail", "clock lowered now"),
        (checks.throttling(0x20000), "warn", "clock lowered since the boot"),
        (checks.clock(2026, synchronized=True), "ok", "2026, synchronised"),
        (checks.clock(2026, synchronized=None), "ok", "not told"),
        (checks.clock(2026, synchronized=False), "warn", "set-ntp"),
        (checks.clock(1970, synchronized=True), "fail", "set the clock"),
        (checks.governor(None), "ok", checks.NOT_TOLD),
        (checks.governor("ondemand"), "ok", "ondemand"),
        (checks.governor("powersave"), "warn", "cpupower"),
        (checks.port("tcp://*:1", None, taken=False), "ok", "is free"),
        (checks.port("tcp://*:1", "in use", taken=True), "warn", "the worker itself"),
        (checks.port("tcp://*:1", "no such address", taken=False), "fail", "no such address"),
        (checks.keys(True, False, None, None), "ok", "on this machine alone"),
        (checks.keys(False, False, None, None), "fail", "anybody could come"),
        (checks.keys(False, True, None, None), "warn", "anybody could come"),
        (checks.keys(False, False, None, 3), "ok", "3 may come"),
        (checks.keys(False, False, None, 0), "fail", "authorized folder"),
        (checks.keys(False, False, "k can be read by others", None), "fail", "k can be read"),
        (checks.trial("litert 2", 0.01, 1e9, 1e-6), "ok", "10.00 ms, 100.0 GFLOP/s"),
        (checks.trial("litert 2", 0.01, 1e9, 0.5), "fail", "results are wrong"),
        (checks.trial("litert 2", 0.01, 1e9, float("nan")), "fail", "results are wrong"),
    ],
)
def test_each_finding(finding: Finding, status: str, words: str) -> None:
    assert finding.status == status
    assert words in f"{finding.found} {finding.advice}"
    assert bool(finding.advice) == (status != "ok")


def test_a_folder_that_others_may_write_is_noticed() -> None:
    assert checks.protected("keys", 0o40755) is None
    assert "chmod go-w" in str(checks.protected("keys", 0o40775))
    assert "chmod go-w" in str(checks.protected("keys", 0o40757))
