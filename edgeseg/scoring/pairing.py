"""Which prediction belongs to which truth: files of two folders, paired by their cases' names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import UsageError, VolumeError
from edgeseg.imaging.png import PICTURE
from edgeseg.text.suggestions import near_path

_VOLUMES = (".nii.gz", ".nii")
_KITS_NAME = "segmentation.nii.gz"
_READABLE = f"give masks as NAME.nii.gz, NAME/{_KITS_NAME} or NAME.png"


@dataclass(frozen=True, slots=True)
class CasePair:
    """The two files of one case."""

    case: str
    prediction: Path
    truth: Path


def pair_cases(predictions: Path, truth: Path) -> tuple[CasePair, ...]:
    """Pair the files of two folders by the names of their cases, or two files.

    A case is ``NAME.nii.gz``, ``NAME.nii``, ``NAME/segmentation.nii.gz`` or, where a folder has
    none of these, ``NAME.png``.

    Raises
    ------
    UsageError
        If one is a file and the other a folder.
    VolumeError
        If there is no case, a case twice, or a case on one side alone.
    """
    predicted, true = _cases(predictions), _cases(truth)
    if predictions.is_dir() != truth.is_dir():
        raise UsageError(f"{predictions} and {truth}: give two files or two folders")
    if not predictions.is_dir():
        return (CasePair(next(iter(predicted)), predictions, truth),)
    _check_complete(true, predicted, predictions)
    _check_complete(predicted, true, truth)
    return tuple(CasePair(case, predicted[case], true[case]) for case in predicted)


def _cases(path: Path) -> dict[str, Path]:
    """Return the file of each case."""
    cases: dict[str, Path] = {}
    for file in _masks(path):
        if cases.setdefault(_case(file), file) != file:
            raise VolumeError(f"{path} has {_case(file)} twice; leave one file for a case")
    if not cases:
        raise VolumeError(f"{path} has no mask; {_READABLE}")
    return cases


def _masks(path: Path) -> list[Path]:
    """Return the files that are masks by their names; a file that is given alone always is."""
    try:
        if path.is_file():
            return [path]
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        nested = [entry / _KITS_NAME for entry in entries if (entry / _KITS_NAME).is_file()]
    except FileNotFoundError:
        near = near_path(path)
        raise VolumeError(
            f"{path} does not exist; give a mask or a folder of masks{near}"
        ) from None
    except OSError as error:
        raise VolumeError(f"{path} can't be read ({error.strerror}); {_READABLE}") from None
    volumes = [entry for entry in entries if entry.name.lower().endswith(_VOLUMES)]
    pictures = [entry for entry in entries if entry.suffix.lower() == PICTURE]
    return volumes + nested or pictures


def _case(file: Path) -> str:
    """Return the name of a case: its file's, or its folder's in the layout of KiTS."""
    if file.name == _KITS_NAME:
        return file.absolute().parent.name
    ends = (end for end in (*_VOLUMES, PICTURE) if file.name.lower().endswith(end))
    return file.name[: -len(next(ends, "")) or None]


def _check_complete(
    expected: Mapping[str, Path], present: Mapping[str, Path], folder: Path
) -> None:
    missing = [case for case in expected if case not in present]
    if missing:
        rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise VolumeError(
            f"{folder} lacks {missing[0]}{rest}, which {expected[missing[0]]} is for; "
            "give both folders the same cases"
        )
