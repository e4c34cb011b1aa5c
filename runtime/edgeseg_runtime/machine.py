"""What the kernel and the firmware of this machine tell of it; None for what they don't tell."""

import ctypes
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from edgeseg.memory_limit import control_groups

_ROOT = Path("/")
_THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
_FIXED_ZONE = "PMIC-Die"
"""A Jetson's power chip always shows 100 degrees."""

_GOVERNOR = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
_TIMEX_BYTES = 256
_UNSYNCHRONIZED = 5
_VCGENCMD_SECONDS = 5.0


def line(path: Path) -> str | None:
    """Return the only line of a kernel's file; None if it can't be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def number(text: str | None, base: int = 10) -> int | None:
    """Return the number in a text; None if it is none."""
    try:
        return int(text or "", base)
    except ValueError:
        return None


def temperature(root: Path = _ROOT) -> float | None:
    """Return the highest reading in degrees Celsius."""
    zones = root.glob("sys/class/thermal/thermal_zone*")
    real = (zone for zone in zones if line(zone / "type") != _FIXED_ZONE)
    readings = (number(line(zone / "temp")) for zone in real)
    return max((reading / 1000 for reading in readings if reading), default=None)


def throttled(root: Path = _ROOT) -> int | None:
    """Return the flags of a Raspberry Pi's firmware: low voltage, low clock, hot; now and ever."""
    text = line(root / _THROTTLED)
    if text is None and (tool := shutil.which("vcgencmd")) is not None:
        with suppress(OSError, subprocess.SubprocessError):
            process = subprocess.run(
                [tool, "get_throttled"],
                capture_output=True,
                check=True,
                text=True,
                timeout=_VCGENCMD_SECONDS,
            )
            text = process.stdout.strip().removeprefix("throttled=")
    return number(text, 16)


def governor(root: Path = _ROOT) -> str | None:
    """Return the name of the policy by which the kernel sets the cores' clock."""
    return line(root / _GOVERNOR)


def cpu_share(root: Path = _ROOT) -> float | None:
    """Return how many cores' time the control groups of this process leave to it."""
    shares = []
    for controller, group in control_groups(root, "", "cpu"):
        if controller:
            words = [line(group / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
        else:
            words = (line(group / "cpu.max") or "").split()
        quota, period = (number(word) for word in words) if len(words) == 2 else (None, None)
        if quota and period and quota > 0:
            shares.append(quota / period)
    return min(shares, default=None)


def clock_synchronized() -> bool | None:
    """Tell whether the kernel's clock follows another one, as by NTP."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zeros: only read
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except AttributeError:
        return None
    return None if state < 0 else state != _UNSYNCHRONIZED
