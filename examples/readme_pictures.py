"""The pictures in the README, made by the commands that it shows.

``python examples/readme_pictures.py -o docs`` writes, of the sample model and the sample CT:

======================  ==========================================================
``preview.png``         what ``segment --preview`` writes
``plan.png``            what ``plan --plot`` draws for three boards that are too small
``page.png``            the page of ``segment --html``, as Chromium shows it
``pieces.png``          the page of ``convert --html``
======================  ==========================================================

The pages need playwright and Chromium; without them their pictures are left out.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

sys.path.append(str(Path(__file__).parent / "kidney_unet"))

import nibabel as nib
import typer
from PIL import Image
from refusals import errors_in_one_line

from edgeseg.demo.demo import sample_model
from edgeseg.demo.sample import sample
from edgeseg.errors import EdgesegError
from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import messages

MOST_BYTES = 150_000
WIDTH, COLORS = 1000, 128
CHROMIUM = Path("/usr/bin/chromium")
WITHOUT_A_GPU = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
SIZE = (1240, 860)
BOARDS = """
[[board]]
name = "pi-a"
memory = "140MiB"
cores = 2

[[board]]
name = "pi-b"
memory = "140MiB"
cores = 2

[[board]]
name = "jetson"
memory = "140MiB"
speed = 2.5
"""


def run(*words: object) -> None:
    """Run a command of edgeseg; its own message stands if it fails."""
    text = [str(word) for word in words]
    messages.print(f"edgeseg {' '.join(text)}", soft_wrap=True)
    if subprocess.run([sys.executable, "-m", "edgeseg", "--quiet", *text], check=False).returncode:
        raise EdgesegError(f"edgeseg {text[0]} failed")


def shrink(source: Path, target: Path) -> None:
    """Write a picture in few colours, and narrower until it is small enough for a README."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    width = min(picture.width, WIDTH)
    while True:
        size = (width, round(picture.height * width / picture.width))
        small = picture.resize(size, Image.Resampling.LANCZOS)
        # Labels are small: a palette of the most frequent colours would lose theirs.
        few = small.quantize(COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        with atomic_path(target) as path:
            few.save(path, optimize=True)
        if target.stat().st_size <= MOST_BYTES:
            return
        width = width * 9 // 10


def upper_half(scan: Path, target: Path) -> Path:
    """Write the upper half of a scan: the sample model knows little of the pelvis."""
    image: Any = nib.load(scan)
    nib.save(image.slicer[:, :, image.shape[2] // 2 :], target)
    return target


def photograph(page: Path, target: Path, ready: str | None = None) -> bool:
    """Take a picture of a page once it is ready; tell whether there is a browser to do so."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        return False
    if not CHROMIUM.exists():
        return False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(WITHOUT_A_GPU))
        shown = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        shown.goto(page.as_uri())
        if ready is not None:
            shown.wait_for_selector(ready, timeout=90_000)
        shown.screenshot(path=target)
        browser.close()
    return True


def main(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures.")],
    model: Annotated[Path | None, typer.Option(help="Instead of the sample model.")] = None,
    ct: Annotated[Path | None, typer.Option(help="Instead of the sample CT.")] = None,
) -> None:
    """Make the README's pictures, each below 150 kB.

    Research use only, not a medical device.
    """
    with errors_in_one_line(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        output.mkdir(exist_ok=True)
        bundle, boards = folder / "kidney.edgeseg", folder / "boards.toml"
        boards.write_text(BOARDS)
        run(
            *("convert", model or sample_model(), "-o", bundle),
            *("--max-partitions", 8, "--html", folder / "pieces.html"),
            *(() if model else ("--postprocess", "kidney")),
        )
        run("plan", bundle, "--boards", boards, "--plot", folder / "plan.png")
        run(
            *("segment", bundle, upper_half(ct or sample().ct, folder / "abdomen.nii.gz")),
            *("-o", folder / "mask.nii.gz", "--local", 2),
            *("--preview", folder / "preview.png", "--html", folder / "page.html"),
        )
        viewer = '#viewer[data-state="ready"]'
        for page, ready in (("page", viewer), ("pieces", None)):
            if not photograph(folder / f"{page}.html", folder / f"{page}.png", ready):
                messages.print(f"no Chromium or no playwright: {page}.png is left out")
        for picture in sorted(folder.glob("*.png")):
            shrink(picture, output / picture.name)
            print(f"wrote {output / picture.name}")


if __name__ == "__main__":
    typer.run(main)
