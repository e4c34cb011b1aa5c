"""Pages in a real browser: opened from disk, without a network, every complaint noted."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WAIT_MS = 90_000


@dataclass
class Opened:
    """A page that is open, what it asked for and what it complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def ready(self, state: str = "ready") -> None:
        """Wait until the viewer shows the scan, or says why it can't."""
        self.page.wait_for_selector(f'#viewer[data-state="{state}"]', timeout=_WAIT_MS)

    def text(self, selector: str) -> str:
        """Return what an element says."""
        return str(self.page.inner_text(selector))

    def picture(self) -> NDArray[np.int64]:
        """Return what the viewer shows, (rows, columns, 3)."""
        # A frame to draw in, and one for the picture to be of it.
        self.page.evaluate(
            "() => new Promise((go) => requestAnimationFrame(() => setTimeout(go, 60)))"
        )
        shot = self.page.locator(".screen").screenshot()
        with Image.open(io.BytesIO(shot)) as image:
            return np.asarray(image.convert("RGB")).astype(np.int64)

    def changed(self, act: Callable[[], object]) -> int:
        """Do something, and return how many pixels of the picture that changes."""
        before = self.picture()
        act()
        for _ in range(10):
            after = self.picture()
            different = int((np.abs(after - before).max(axis=2) > 8).sum())
            if different:
                return different
            time.sleep(0.1)
        return 0

    def overflow(self, width: int) -> int:
        """Return how many pixels the page is wider than a window of that width."""
        self.page.set_viewport_size({"width": width, "height": 900})
        return int(
            self.page.evaluate(
                "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def slide(self, axis: int, value: int) -> None:
        """Move a slice slider."""
        self.page.fill(f'.sliders [data-axis="{axis}"]', str(value))


@contextmanager
def opened(browser: Any, path: Path, script: str = "") -> Iterator[Opened]:
    """Open a page from disk in a context of its own that has no network."""
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    try:
        page = context.new_page()
        shown = Opened(page)
        page.on("request", lambda request: shown.requests.append(request.url))
        page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        page.on("console", lambda said: _note(shown, said))
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri())
        yield shown
    finally:
        context.close()


def _note(shown: Opened, said: Any) -> None:
    if said.type in ("error", "warning"):
        shown.complaints.append(said.text)


def beyond_the_page(shown: Opened, path: Path) -> list[str]:
    """Return requests for anything but the page itself and what it holds."""
    own = (path.as_uri(), "blob:", "data:")
    return [url for url in shown.requests if not url.startswith(own)]
