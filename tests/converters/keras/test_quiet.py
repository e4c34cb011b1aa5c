"""Native chatter is held back; Python's own messages and errors get through."""

import os
import subprocess
import sys

import pytest

from edgeseg.errors import EdgesegError
from edgeseg_converters.keras import quiet as module
from edgeseg_converters.keras.quiet import import_keras, import_tensorflow, import_tf_keras, quiet

pytestmark = pytest.mark.tensorflow


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )


def test_native_writes_are_swallowed_and_python_ones_pass() -> None:
    done = run(
        "import os, sys\n"
        "from edgeseg_converters.keras.quiet import quiet\n"
        "with quiet():\n"
        "    os.write(2, b'native')\n"
        "    print('python', file=sys.stderr)\n"
        "os.write(2, b'after')\n"
    )
    assert done.stderr == "python\nafter"


def test_importing_tensorflow_says_nothing() -> None:
    done = run("from edgeseg_converters.keras.quiet import import_keras; import_keras()")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions take notes from 3.11 on")
def test_an_error_carries_what_was_held_back() -> None:
    @quiet()
    def fail() -> None:
        os.write(2, b"native detail")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken") as caught:
        fail()
    assert caught.value.__notes__ == ["native detail"]


def test_warnings_inside_are_ignored() -> None:
    with quiet():
        import warnings

        warnings.warn("noise", stacklevel=1)


def test_a_missing_tensorflow_names_the_extra() -> None:
    with pytest.raises(EdgesegError, match=r"pip install 'edgeseg\[convert\]'") as caught:
        module._import("tensorflow_that_is_not_there")
    assert "\n" not in str(caught.value)


def test_the_modules_are_what_they_are_called() -> None:
    assert import_tensorflow().__name__ == "tensorflow"
    assert import_keras().__version__.startswith("3")
    assert import_tf_keras().__version__.startswith("2")
