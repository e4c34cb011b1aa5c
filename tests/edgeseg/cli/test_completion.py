"""Completion in a real shell: commands, flags, values, files; and nothing heavy for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_BASH = r"""
printf '#!/bin/sh\nexec "%s" -m edgeseg "$@"\n' "$PYTHON" > "$1/edgeseg"
chmod +x "$1/edgeseg"
PATH="$1:$PATH"
shift
source <(_EDGESEG_COMPLETE=source_bash edgeseg)
complete -p edgeseg | grep -q -- '-o default' || exit 3
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_edgeseg_completion edgeseg
printf '%s\n' "${COMPREPLY[@]}"
"""


def _completed(folder: Path, *words: str) -> set[str]:
    ran = subprocess.run(
        ["/bin/bash", "--norc", "-c", _BASH, "bash", str(folder), "edgeseg", *words],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | {"PYTHON": sys.executable},
    )
    assert not ran.stderr
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("se",), {"segment"}),
        (("segment", "--sta"), {"--statistics"}),
        (("segment", "--qu"), {"--quiet"}),
        (("--log-format", ""), {"text", "json"}),
        (("convert", "--strategy", "a"), {"adaptive", "auto"}),
        # Nothing is offered: the shell completes with files.
        (("segment", ""), set()),
        (("segment", "-o", "m"), set()),
    ],
)
def test_bash_completes(tmp_path: Path, words: tuple[str, ...], expected: set[str]) -> None:
    assert _completed(tmp_path, *words) == expected


def test_nothing_heavy_is_imported() -> None:
    script = (
        "import sys, edgeseg.cli.main\n"
        "try:\n"
        "    edgeseg.cli.main.main()\n"
        "finally:\n"
        "    heavy = {'tensorflow', 'keras', 'scipy', 'numpy', 'zmq'}\n"
        "    heavy.add('edgeseg_runtime.segment_scan')\n"
        "    print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    asked = {
        "_EDGESEG_COMPLETE": "complete_bash",
        "COMP_WORDS": "edgeseg\nsegment\n--",
        "COMP_CWORD": "2",
    }
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | asked,
    )
    assert ran.stderr == "[]\n"
    assert "--output" in ran.stdout
