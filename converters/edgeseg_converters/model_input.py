"""What a model's input is fed with: stated by options, read off the model, or else asked for."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from edgeseg.bundle.manifest import Interval, Preprocessing
from edgeseg.errors import UsageError, field_name

if TYPE_CHECKING:
    from edgeseg_converters.network import Network

Pairs: TypeAlias = tuple[tuple[float, float], ...]

_PLAIN_HU: Pairs = ((0.0, 1.0),)
"""Mean and deviation that leave HU as they are, whatever their windows."""

_STACK = 3
"""Fewest slices that are neighbours of one."""


@dataclass(frozen=True)
class InputRequest:
    """What is asked for; see :class:`~edgeseg_converters.ConversionOptions`.

    Attributes
    ----------
    windows
        One for all channels, or one for each.
    input_range
        What the ends of a window become; None for what the model's first layer tells.
    normalize
        Mean and standard deviation in HU, for all channels or for each; none for a range.
    slices
        How many neighbouring slices are the channels; None where they are not.
    channels
        ``repeat`` where each channel reads the same.
    spacing_mm
        Pixel size, None for the field of view.

    Raises
    ------
    UsageError
        If a value is none of these, or two contradict each other.
    """

    windows: Pairs
    input_range: Interval | None = None
    normalize: Pairs = ()
    slices: int | None = None
    channels: str | None = None
    spacing_mm: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be, whatever the model."""
        for low, high in self.windows:
            _check_order("window", low, high, "two HU")
        if self.input_range is not None:
            _check_order("input_range", *self.input_range, "two numbers")
        for mean, deviation in self.normalize:
            if not (math.isfinite(mean) and 0 < deviation < math.inf):
                raise UsageError(
                    f"{field_name('normalize')} is {mean:g},{deviation:g}; give a mean and a "
                    "standard deviation above 0, in HU"
                )
        if self.slices is not None and (self.slices < _STACK or self.slices % 2 == 0):
            raise UsageError(
                f"{field_name('slices')} is {self.slices}; give an odd number from {_STACK} on: "
                "the slice has as many neighbours on either side"
            )
        if self.normalize and self.input_range is not None:
            raise _contradiction("normalize", "input_range", "what the window becomes")
        if len(self._sources) > 1:
            raise _contradiction(self._sources[0], self._sources[1], "what the channels are")

    @property
    def _sources(self) -> list[str]:
        """The fields that say what several channels are."""
        stated = {
            "channels": self.channels is not None,
            "slices": self.slices is not None,
            "window": len(self.windows) > 1,
        }
        return [field for field, is_stated in stated.items() if is_stated]

    def check_channels(self, count: int) -> None:
        """Refuse a model of so many channels unless it is said, and fits, what they are.

        Raises
        ------
        UsageError
            If it is not; the message names the choices.
        """
        if count > 1 and not self._sources:
            raise UsageError(f"the model reads {count} channels; {channel_choices(count)}")
        if count == 1 and self._sources:
            field = self._sources[0]
            raise UsageError(
                f"{field_name(field)} says what several channels are, and the model reads one; "
                "leave it out" + (", or give one window" if field == "window" else "")
            )
        for field, given in (
            ("window", len(self.windows)),
            ("normalize", len(self.normalize)),
            ("slices", self.slices or 1),
        ):
            if given > 1 and given != count:
                raise UsageError(
                    f"{field_name(field)} is for {given} channels, and the model reads {count}; "
                    + channel_choices(count)
                )

    def preprocessing(self, network: "Network") -> tuple[Preprocessing, str | None]:
        """Return how slices become the input of a model, and what the user should know of it.

        Parameters
        ----------
        network
            The model; its input has the shape (1, H, W, C).

        Raises
        ------
        UsageError
            If it is not said what its channels are, or which numbers it reads.
        """
        from edgeseg_converters.keras.input_range import GREY, UNIT, expected_range

        _, height, width, count = network.graph.inputs[0].shape
        self.check_channels(count)
        lows, highs = zip(*self.windows, strict=True)
        window = min(lows), max(highs)
        if self.normalize or self.input_range is not None:
            fed, note = self.input_range or UNIT, None
        else:
            fed, note = expected_range(network, window)
        normalize = self.normalize
        if len(self.windows) > 1 and fed == window and fed != GREY:
            fed, normalize = UNIT, _PLAIN_HU
        how = Preprocessing(
            window=window,
            size=(height, width),
            channels=count,
            spacing_mm=self.spacing_mm,
            input_range=fed,
            level_bits=self._level_bits,
            normalize=normalize or msgspec.UNSET,
            windows=self.windows if len(self.windows) > 1 else msgspec.UNSET,
            slices=self.slices or msgspec.UNSET,
        )
        return how, note

    @property
    def _level_bits(self) -> Literal[16] | msgspec.UnsetType:
        """16 unless the levels of 8 bits are whole HU, which are not to be normalized."""
        from edgeseg.imaging.levels import holds_whole_hu

        plain = len(self.windows) == 1 and not self.normalize and holds_whole_hu(self.windows[0])
        return msgspec.UNSET if plain else 16


def channel_choices(count: int) -> str:
    """Return what to give so that it is known what so many channels are."""
    choices = [f"{field_name('channels')} repeat for the same slice in each"]
    if count >= _STACK and count % 2:
        choices.append(f"{field_name('slices')} {count} for neighbouring slices, from feet to head")
    example = ";".join(["LO,HI"] * count) if count <= _STACK else f"LO,HI;... ({count} of them)"
    choices.append(f'{field_name("window")} "{example}" for a window each')
    return f"give {', '.join(choices[:-1])}, or {choices[-1]}"


def as_pairs(value: Interval | Pairs) -> Pairs:
    """Return one pair or several as several."""
    return value if isinstance(value[0], tuple) else (value,)


def _check_order(field: str, low: float, high: float, what: str) -> None:
    if not -math.inf < low < high < math.inf:
        raise UsageError(
            f"{field_name(field)} is {low:g},{high:g}; give {what}, the lower one first"
        )


def _contradiction(field: str, other: str, what: str) -> UsageError:
    return UsageError(
        f"{field_name(field)} and {field_name(other)} both say {what}; give one of them"
    )
