"""Test the project on 64-bit ARM: ``make test-arm64``.

A Debian userland for arm64, run by emulation, gets the project's wheel as a board would; then the
checks beside this file run against it. The userland is kept in ``EDGESEG_ARM64`` or the user's
cache. Needs root, debootstrap and qemu-user-static; says so where they are missing, and ends well.
"""

import os
import subprocess
import sys
from pathlib import Path

import emulation
import userland

from edgeseg.errors import EdgesegError
from edgeseg.output.terminal import messages

FOLDER = Path(__file__).parent
CHECKS = (FOLDER / "checks.py", FOLDER / "scripts.py")
SLOWEST_CHECK_SECONDS = 600


def main() -> None:
    reason = emulation.missing()
    if reason is not None:
        messages.print(f"arm64 is not tested here: {reason}")
        return
    emulation.enter()
    folder = userland.folder()
    try:
        with userland.locked(folder), emulation.registered():
            code = check(userland.ready(folder))
    except EdgesegError as error:
        sys.exit(f"edgeseg: {error}")
    except KeyboardInterrupt:
        sys.exit("edgeseg: interrupted")
    sys.exit(code)


def check(root: Path) -> int:
    """Run the checks against a userland; return pytest's exit code."""
    flags = (f"--timeout={SLOWEST_CHECK_SECONDS}", "--durations=0", "-v", *sys.argv[1:])
    command = [sys.executable, "-m", "pytest", *map(str, CHECKS), *flags]
    environment = os.environ | {"EDGESEG_ARM64_ROOT": str(root), "PYTHONPATH": str(FOLDER)}
    return subprocess.run(command, check=False, env=environment).returncode


if __name__ == "__main__":
    main()
