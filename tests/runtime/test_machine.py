"""What a machine tells of itself, from trees like those of its kernel."""

from pathlib import Path

import pytest

from edgeseg_runtime import machine


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_hottest_reading_counts(tmp_path: Path) -> None:
    _write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48312\n")
    _write(tmp_path, "sys/class/thermal/thermal_zone1/temp", "51000\n")
    _write(tmp_path, "sys/class/thermal/thermal_zone2/temp", "broken\n")
    assert machine.temperature(tmp_path) == 51.0


def test_a_jetson_s_power_chip_is_not_believed(tmp_path: Path) -> None:
    _write(tmp_path, "sys/class/thermal/thermal_zone0/type", "CPU-therm\n")
    _write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "41500\n")
    _write(tmp_path, "sys/class/thermal/thermal_zone4/type", "PMIC-Die\n")
    _write(tmp_path, "sys/class/thermal/thermal_zone4/temp", "100000\n")
    assert machine.temperature(tmp_path) == 41.5


def test_what_is_not_told_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.temperature(tmp_path) is None
    assert machine.throttled(tmp_path) is None
    assert machine.governor(tmp_path) is None


def test_a_pi_tells_of_throttling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "vcgencmd"
    tool.write_text("#!/bin/sh\necho throttled=0x50005\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert machine.throttled(tmp_path) == 0x50005
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert machine.throttled(tmp_path) is None
    _write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n")
    assert machine.throttled(tmp_path) == 0x50000


def test_this_machine_can_be_asked() -> None:
    assert machine.clock_synchronized() in (None, False, True)
