"""Packages of somebody else: modules and entry points on a path of their own."""

from collections.abc import Mapping
from pathlib import Path


def install_package(
    folder: Path, module: str, source: str, entry_points: Mapping[str, Mapping[str, str]]
) -> Path:
    """Install a made-up package of one module; return the folder to put on ``PYTHONPATH``.

    Parameters
    ----------
    module
        Name of the module, and of the package.
    source
        Its Python text.
    entry_points
        By group, the objects (``module:object``) by name.
    """
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = []
    for group, objects in entry_points.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in objects.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder
