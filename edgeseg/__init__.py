"""Compile a trained Keras U-Net into TFLite pieces and run them on several small boards.

The names below are for users, and those of :mod:`edgeseg_converters`, :mod:`edgeseg_runtime`,
:mod:`edgeseg.planning` and :mod:`edgeseg.labelled` are too. What the command line does here,
Python does with

====================  ==========================================================
``edgeseg info``      :class:`Bundle`, whose ``manifest`` says what it holds
``edgeseg plan``      :func:`plan_bundle`; :func:`plan` for a problem of one's own
``edgeseg evaluate``  :func:`evaluate`
``edgeseg sign``      :func:`sign_bundle` with :func:`read_signing_keys`
``edgeseg verify``    :func:`verify_bundle` with :func:`read_verify_key`
====================  ==========================================================

Packages of others add scan formats (:class:`ScanFormat`, entry-point group
``edgeseg.scan_formats``), engines (:class:`PieceFormat`, ``edgeseg.engines``) and commands
(``edgeseg.commands``). All other rooms are internal: they may change from version to version.
"""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports
from edgeseg.version import __version__

if TYPE_CHECKING:
    from edgeseg.boards.boards_file import BoardsFile, read_boards
    from edgeseg.bundle.bundle_file import Bundle
    from edgeseg.bundle.manifest import Manifest
    from edgeseg.bundle.signature import (
        read_signing_keys,
        read_verify_key,
        sign_bundle,
        verify_bundle,
    )
    from edgeseg.errors import (
        BoardError,
        BudgetError,
        BundleError,
        EdgesegError,
        ModelError,
        OutputError,
        PlacementError,
        UsageError,
        VolumeError,
        WireError,
    )
    from edgeseg.imaging.formats import read_scan
    from edgeseg.imaging.scan import Scan
    from edgeseg.imaging.scan_format import ScanFormat
    from edgeseg.inference.engine_protocol import Engine, PieceFormat
    from edgeseg.planning.bundle_plan import BundlePlan, plan_bundle
    from edgeseg.planning.planner import plan
    from edgeseg.progress import Advance, Progress
    from edgeseg.scoring.evaluation import Evaluation, evaluate

__all__ = [
    "Advance",
    "BoardError",
    "BoardsFile",
    "BudgetError",
    "Bundle",
    "BundleError",
    "BundlePlan",
    "EdgesegError",
    "Engine",
    "Evaluation",
    "Manifest",
    "ModelError",
    "OutputError",
    "PieceFormat",
    "PlacementError",
    "Progress",
    "Scan",
    "ScanFormat",
    "UsageError",
    "VolumeError",
    "WireError",
    "__version__",
    "evaluate",
    "plan",
    "plan_bundle",
    "read_boards",
    "read_scan",
    "read_signing_keys",
    "read_verify_key",
    "sign_bundle",
    "verify_bundle",
]

_HOMES = {
    "boards.boards_file": ("BoardsFile", "read_boards"),
    "bundle.bundle_file": ("Bundle",),
    "bundle.manifest": ("Manifest",),
    "bundle.signature": ("read_signing_keys", "read_verify_key", "sign_bundle", "verify_bundle"),
    "errors": tuple(name for name in __all__ if name.endswith("Error")),
    "imaging.formats": ("read_scan",),
    "imaging.scan": ("Scan",),
    "imaging.scan_format": ("ScanFormat",),
    "inference.engine_protocol": ("Engine", "PieceFormat"),
    "planning.bundle_plan": ("BundlePlan", "plan_bundle"),
    "planning.planner": ("plan",),
    "progress": ("Advance", "Progress"),
    "scoring.evaluation": ("Evaluation", "evaluate"),
}

__getattr__ = lazy_exports(
    __name__, {name: module for module, names in _HOMES.items() for name in names}
)


def __dir__() -> list[str]:
    return __all__
