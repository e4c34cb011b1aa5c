"""How Sphinx builds the site: ``make docs`` treats every warning as an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from edgeseg import __version__

project = "edgeseg"
author = "the edgeseg authors"
copyright = "the edgeseg authors, Apache-2.0"  # noqa: A001 - the name that Sphinx reads
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "bare_types",
    "command_options",
    "import_floors",
    "public_names",
    "repository_pages",
]
exclude_patterns = ["_extensions", "_static"]

# Markdown: links to headings are checked like links to files.
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 4

# The API: NumPy docstrings; types come from the annotations.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_member_order = "groupwise"
autodoc_preserve_defaults = True

# References that lead out of this site are not followed: nothing is fetched while it is built.
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|np|nibabel|collections|pathlib|typing|typing_extensions|types|abc)\..*"),
    ("py:.*", r"(Path|Callable|Sequence|Mapping|Iterator|Any|Self|NDArray|Literal|Generic|T)"),
    ("py:.*", r"(keras|tensorflow|msgspec|contextlib|enum|dataclasses)\..*"),
]

smartquotes = False  # --flags keep both dashes

html_theme = "furo"
html_title = f"edgeseg {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options: dict[str, object] = {"footer_icons": []}
templates_path: list[str] = []
