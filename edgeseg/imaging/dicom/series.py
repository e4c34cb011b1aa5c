"""Series of a study: images put together, and the one to segment chosen."""

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
    others
        Kinds of what else bears the same UID: localizers, secondary captures.
    """

    uid: str
    number: int | None
    description: str
    images: tuple[DicomImage, ...]
    others: tuple[str, ...]

    @property
    def title(self) -> str:
        """Number and description, as far as they are known."""
        number = "without number" if self.number is None else str(self.number)
        return f"series {number} {self.description!r}" if self.description else f"series {number}"

    def planes(self) -> list[Plane]:
        """Return its slices, in no order."""
        return [plane for image in self.images for plane in planes_of(image)]


def group_series(images: Iterable[DicomImage]) -> tuple[Series, ...]:
    """Put images together by their series, in the order of the series' numbers."""
    groups: dict[tuple[str, ...], list[DicomImage]] = defaultdict(list)
    for image in images:
        groups[_key(image)].append(image)
    series = (_series(members) for members in groups.values())
    return tuple(sorted(series, key=lambda one: (one.number or 0, one.uid)))


def choose(series: Sequence[Series], wanted: str | None) -> Series:
    """Return the one CT series, or the one that is wanted.

    Parameters
    ----------
    wanted
        A series' UID, its number, or a part of its description; None where there is but one.

    Raises
    ------
    VolumeError
        If there is no CT series.
    UsageError
        If there are several; it lists them.
    """
    usable = [one for one in series if one.images]
    if not usable:
        raise VolumeError(f"holds no CT series, but {_kinds(series)}; give a CT")
    if wanted is None:
        if len(usable) > 1:
            raise UsageError(
                f"holds {len(usable)} CT series: {_listed(usable)}; choose one with "
                f"{field_name('series')} (its number, a part of its description, or its UID), or "
                "give its folder alone"
            )
        return usable[0]
    matches = _matches(series, wanted)
    found = [one for one in matches if one.images]
    if len(found) == 1:
        return found[0]
    if found:
        uids = "; ".join(f"{one.title} {one.uid}" for one in found)
        raise UsageError(
            f"has {len(found)} series that {field_name('series')} {wanted} fits: {uids}; give a UID"
        )
    if matches:
        raise UsageError(f"{matches[0].title} is no CT but {_kinds(matches)}; {_offer(usable)}")
    raise UsageError(f"has no series that {field_name('series')} {wanted} fits; {_offer(usable)}")


def left_out(series: Sequence[Series], chosen: Series) -> str | None:
    """Say what is no CT slice beside the chosen series, or None where there is nothing."""
    beside = [one for one in series if one is chosen or not one.images]
    kinds = Counter(kind for one in beside for kind in one.others)
    return f"left out: {_counted(kinds)}" if kinds else None


def _key(image: DicomImage) -> tuple[str, ...]:
    header = image.header
    uid = str(header.get("SeriesInstanceUID") or "")
    if uid:
        return (uid,)
    # Made anonymous: what is left to tell series apart.
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
        others=tuple(image.kind for image in members if image.kind != CT),
    )


def _matches(series: Sequence[Series], wanted: str) -> list[Series]:
    """Match by UID, else by number, else by a part of the description."""
    for fits in (
        [one for one in series if one.uid == wanted],
        [one for one in series if str(one.number) == wanted],
        [one for one in series if wanted.casefold() in one.description.casefold()],
    ):
        if fits:
            return fits
    return []


def _offer(usable: Sequence[Series]) -> str:
    return f"choose of: {_listed(usable)}"


def _listed(series: Sequence[Series]) -> str:
    return "; ".join(map(_described, series))


def _described(one: Series) -> str:
    try:
        planes = one.planes()
        distance = spacing_mm(planes)
    except VolumeError:
        return f"{one.title} ({len(one.images)} images, damaged)"
    apart = f", {distance:.3g} mm apart" if distance else ""
    return f"{one.title} ({len(planes)} slices{apart})"


def _kinds(series: Sequence[Series]) -> str:
    return _counted(Counter(kind for one in series for kind in one.others))


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
