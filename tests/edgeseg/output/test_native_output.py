"""What native code writes is dropped inside the block, and nothing else is."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("stream", [1, 2])
def test_only_what_is_written_in_the_block_is_dropped(stream: int) -> None:
    """Through C's buffer too, which is written out long after where the stream is a pipe."""
    script = (
        "import ctypes, os\n"
        "from edgeseg.output.native_output import muted\n"
        "c = ctypes.CDLL(None)\n"
        "def say(text):\n"
        f"    c.puts(text.encode()) if {stream} == 1 else os.write(2, text.encode() + b'\\n')\n"
        "say('before')\n"
        f"with muted({stream}):\n"
        "    say('inside')\n"
        "say('after')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert (ran.stdout, ran.stderr)[stream - 1] == "before\nafter\n"
