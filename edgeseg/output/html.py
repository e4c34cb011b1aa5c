"""HTML pages without a server: templates of a package, filled in and written as one file."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.errors import UsageError
from edgeseg.files.atomic import atomic_path, check_writable
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

_HUES = ("#56b4e9", "#e6a23c", "#3dbb95", "#d68ab5", "#e0d15a", "#e37b4b", "#8fa3ff", "#aab4bd")
"""Distinct for colour-blind readers too, and dark text is legible on each."""


def hue(number: int) -> str:
    """Return the colour of a board or piece by its number; after eight they come again."""
    return _HUES[number % len(_HUES)]


def require_html() -> None:
    """Make sure that pages can be rendered.

    Raises
    ------
    UsageError
        If the extra is not installed; the message names it.
    """
    try:
        import jinja2  # noqa: F401
    except ModuleNotFoundError:
        raise UsageError(
            "HTML pages need the extra 'html'; install it with: pip install 'edgeseg[html]'"
        ) from None


def check_page(path: Path) -> None:
    """Refuse early a page that could not be written at the end.

    Raises
    ------
    OutputError
        If the folder is missing or read-only.
    UsageError
        If the extra is not installed.
    """
    require_html()
    check_writable(path)


def render(package: str, template: str, **values: Any) -> str:
    """Fill in a template.

    Templates may extend ``base.html`` and import its ``parts.html``; both stand in this package.
    What is inserted is escaped, and a name without a value is an error.

    Parameters
    ----------
    package
        The package with the template in its ``templates`` folder, such as ``edgeseg_runtime``.
    template
        File name in that folder.
    values
        What the template names.

    Raises
    ------
    UsageError
        If the extra is not installed.
    """
    require_html()
    page = _environment(package).get_template(template)
    return page.render(**values)


def write_page(path: Path, package: str, template: str, **values: Any) -> None:
    """Fill in a template as :func:`render` does, and write the page.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    UsageError
        If the extra is not installed.
    """
    text = render(package, template, **values)
    with atomic_path(path) as target:
        target.write_text(text, encoding="utf-8")


@lru_cache
def _environment(package: str) -> "Environment":
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    from edgeseg.text.units import format_bytes, format_count

    packages = dict.fromkeys((package, "edgeseg.output"))
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"bytes": format_bytes, "count": format_count, "time": _format_time}
    environment.globals |= {"hue": hue, "research_note": RESEARCH_NOTE, "version": __version__}
    return environment


def _format_time(seconds: float) -> str:
    """Write a short time to three digits: ``7.35 ms``, ``1.56 s``."""
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else f"{float(f'{seconds:.3g}'):g} s"
