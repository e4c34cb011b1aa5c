"""Says in words how a model's output becomes labels."""

from collections.abc import Sequence

from edgeseg.bundle.manifest import Decoding, Label

_NAMED = 8
"""Most channels that are named one by one."""


def describe_decoding(decoding: Decoding, labels: Sequence[Label]) -> str:
    """Return one line on what each channel means and which one wins."""
    count = len(decoding.channels)
    names = {label.value: label.name for label in labels} | {0: "background"}
    meant = [
        f"{channel} {names.get(value, value)}" for channel, value in enumerate(decoding.channels)
    ]
    if count > _NAMED:
        meant[_NAMED - 1 : -1] = ["..."]
    listed = ", ".join(meant)
    if decoding.activation == "softmax":
        without = "" if 0 in decoding.channels else "; none is the background"
        return f"the likeliest of {count} channels: {listed}{without}"
    if count == 1:
        return f"where the channel is at least one half: {names[decoding.channels[0]]}"
    return f"each of {count} channels where at least one half, the last on top: {listed}"
