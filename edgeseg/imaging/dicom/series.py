"""The series of a study: images are grouped into them, and one is chosen to be segmented."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeseg.errors import UsageError, VolumeError, field_name
from edgeseg.imaging.dicom.header import CT, DicomImage
from edgeseg.imaging.dicom.plane import Plane, planes_of
from edgeseg.imaging.dicom.stack import spacing_mm


@dataclass(frozen=True, eq=False)
class Series:
    """Images of one series.

    Attributes
    ----------
    uid
        Empty where the series was made anonymous.
    images
        CT slices, in no order.
    other_kinds
        Kinds of the other objects that bear the same UID: localizers, secondary captures.
    """

    uid: str
    number: int | None
    description: str
    images: tuple[DicomImage, ...]
    other_kinds: tuple[str, ...]

    @property
    def title(self) -> str:
        """Number and description, as far as they are known."""
        number = "without number" if self.number is None else str(self.number)
        return f"series {number} {self.description!r}" if self.description else f"series {number}"

    def planes(self) -> list[Plane]:
        """Return its slices, in no order."""
        return [plane for image in self.images for plane in planes_of(image)]


def group_series(images: Iterable[DicomImage]) -> tuple[Series, ...]:
    """Group images by their series; return the series in the order of their numbers."""
    groups: dict[tuple[str, ...], list[DicomImage]] = defaultdict(list)
    for image in images:
        groups[_key(image)].append(image)
    series = (_series(members) for members in groups.values())
    return tuple(sorted(series, key=lambda group: (group.number or 0, group.uid)))


def choose(series: Sequence[Series], choice: str | None) -> Series:
    """Return the only CT series, or the one that is chosen.

    Parameters
    ----------
    series
        All series of a study.
    choice
        A series' UID, its number, or a part of its description; None where there is but one.

    Raises
    ------
    VolumeError
        If there is no CT series.
    UsageError
        If there are several; it lists them.
    """
    usable = [candidate for candidate in series if candidate.images]
    if not usable:
        raise VolumeError(f"holds no CT series, but {_kinds(series)}; give a CT")
    if choice is None:
        if len(usable) > 1:
            raise UsageError(
                f"holds {len(usable)} CT series: {_listed(usable)}; choose one with "
                f"{field_name('series')} (its number, a part of its description, or its UID), or "
                "give its folder alone"
            )
        return usable[0]
    matches = _matches(series, choice)
    ct_matches = [match for match in matches if match.images]
    if len(ct_matches) == 1:
        return ct_matches[0]
    if ct_matches:
        uids = "; ".join(f"{match.title} {match.uid}" for match in ct_matches)
        raise UsageError(
            f"has {len(ct_matches)} series that {field_name('series')} {choice} fits: {uids}; give "
            "a UID"
        )
    if matches:
        raise UsageError(f"{matches[0].title} is no CT but {_kinds(matches)}; {_offer(usable)}")
    raise UsageError(f"has no series that {field_name('series')} {choice} fits; {_offer(usable)}")


def left_out(series: Sequence[Series], chosen: Series) -> str | None:
    """Return a note of the objects that are no CT slices, or None where there are none."""
    groups = [group for group in series if group is chosen or not group.images]
    kinds = Counter(kind for group in groups for kind in group.other_kinds)
    return f"left out: {_counted(kinds)}" if kinds else None


def _key(image: DicomImage) -> tuple[str, ...]:
    header = image.header
    uid = str(header.get("SeriesInstanceUID") or "")
    if uid:
        return (uid,)
    # Made anonymous: these elements are left to tell series apart.
    names = ("FrameOfReferenceUID", "SeriesNumber", "SeriesDescription", "Modality")
    return ("", *(str(header.get(name) or "") for name in names))


def _series(members: Sequence[DicomImage]) -> Series:
    header = members[0].header
    number = header.get("SeriesNumber")
    return Series(
        uid=str(header.get("SeriesInstanceUID") or ""),
        number=None if number is None else int(number),
        description=" ".join(str(header.get("SeriesDescription") or "").split()),
        images=tuple(image for image in members if image.kind == CT),
        other_kinds=tuple(image.kind for image in members if image.kind != CT),
    )


def _matches(series: Sequence[Series], choice: str) -> list[Series]:
    """Match by UID, else by number, else by a part of the description."""
    for fits in (
        [group for group in series if group.uid == choice],
        [group for group in series if str(group.number) == choice],
        [group for group in series if choice.casefold() in group.description.casefold()],
    ):
        if fits:
            return fits
    return []


def _offer(usable: Sequence[Series]) -> str:
    return f"choose of: {_listed(usable)}"


def _listed(series: Sequence[Series]) -> str:
    return "; ".join(map(_described, series))


def _described(series: Series) -> str:
    try:
        planes = series.planes()
        distance_mm = spacing_mm(planes)
    except VolumeError:
        return f"{series.title} ({len(series.images)} images, damaged)"
    apart = f", {distance_mm:.3g} mm apart" if distance_mm else ""
    return f"{series.title} ({len(planes)} slices{apart})"


def _kinds(series: Sequence[Series]) -> str:
    return _counted(Counter(kind for group in series for kind in group.other_kinds))


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
