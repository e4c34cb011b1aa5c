"""The face of planning: what it exports, at no cost until it is used."""

import subprocess
import sys

import edgeseg.planning as face


def test_every_exported_name_is_there_and_is_listed() -> None:
    assert dir(face) == sorted(face.__all__)
    for name in face.__all__:
        assert getattr(face, name) is not None


def test_importing_the_face_imports_nothing_else() -> None:
    code = (
        "import sys, edgeseg.planning\n"
        "print('numpy' in sys.modules, [m for m in sys.modules if 'edgeseg.planning.' in m])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "False []"
