"""What reading and writing DICOM needs beyond the base install."""

from importlib.util import find_spec

from edgeseg.errors import UsageError

_PACKAGES = ("pydicom", "highdicom")


def need_dicom() -> None:
    """Make sure that the extra is there.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    if any(find_spec(package) is None for package in _PACKAGES):
        raise UsageError(
            "DICOM needs the extra 'dicom'; install it with: pip install 'edgeseg[dicom]'"
        )
