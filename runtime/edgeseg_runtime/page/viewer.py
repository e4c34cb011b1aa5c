"""The viewer in the page: NiiVue (BSD-2-Clause), read from ipyniivue when a page is made.

It shows three planes, label maps and windows in HU, needs nothing from the network, and takes
2 MB of a page; it does need WebGL 2, which browsers offer in software too. nilearn's brainsprite
needs none, but its fixed sprites leave neither windows in HU nor labels to be switched.
"""

import base64
import gzip
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from edgeseg.errors import UsageError, field_name
from edgeseg.output.html import require_html

_PACKAGE = "ipyniivue"
_SCRIPT = "ipyniivue/static/widget.js"
_LICENCE = "licenses/LICENSE"


@dataclass(frozen=True)
class Viewer:
    """The parts of the viewer that go into a page.

    Attributes
    ----------
    script
        Its JavaScript module, compressed by gzip, in Base64.
    licence
        The notice that its licence demands.
    """

    script: str
    version: str
    licence: str


def require_viewer() -> None:
    """Make sure that pages with a viewer can be made.

    Raises
    ------
    UsageError
        If the extra is not installed; the message names it.
    """
    require_html()
    _script()


def read_viewer() -> Viewer:
    """Read the viewer from the installed package; nothing of that package runs.

    Raises
    ------
    UsageError
        If the extra is not installed.
    """
    script = gzip.compress(_script().read_bytes(), 9, mtime=0)
    package = distribution(_PACKAGE)
    licence = package.read_text(_LICENCE) or ""
    return Viewer(base64.b64encode(script).decode(), package.version, licence.strip())


def _script() -> Path:
    with suppress(PackageNotFoundError):
        path = Path(str(distribution(_PACKAGE).locate_file(_SCRIPT)))
        if path.is_file():
            return path
    raise UsageError(
        f"{field_name('html')} needs the extra 'html'; install it with: pip install 'edgeseg[html]'"
    )
