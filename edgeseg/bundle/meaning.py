"""Says in words how a model's output becomes labels, and how small codecs make its tensors."""

from collections.abc import Mapping, Sequence

import msgspec

from edgeseg.bundle.manifest import Decoding, Label, Manifest
from edgeseg.codecs.names import CodecName

_NAMED = 8
"""Most channels that are named one by one."""


def describe_decoding(decoding: Decoding, labels: Sequence[Label]) -> str:
    """Return one line on what each channel means, which one wins, and where the output lies."""
    return "; ".join(filter(None, (_meaning(decoding, labels), describe_field(decoding))))


def describe_field(decoding: Decoding) -> str:
    """Return where the output lies, and nothing if that is on the input."""
    field = decoding.field
    if isinstance(field, msgspec.UnsetType):
        return ""
    rows, cols = field.size
    return (
        f"made at {rows} x {cols} for rows {field.top:g} to {field.top + field.height:g} and "
        f"columns {field.left:g} to {field.left + field.width:g} of the input"
    )


def _meaning(decoding: Decoding, labels: Sequence[Label]) -> str:
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


def describe_wire(manifest: Manifest) -> str:
    """Return what codecs make of all tensors between pieces together, such as ``int8 0.08``.

    A tensor of which a codec's ratio is not known counts whole, as it would be sent.
    """
    outputs = (port for piece in manifest.pieces for port in piece.outputs)
    nbytes = {port.tensor: port.nbytes for port in outputs if port.tensor in manifest.wire_ratios}
    codecs = dict.fromkeys(codec for ratios in manifest.wire_ratios.values() for codec in ratios)
    shares = {codec: _share_sent(codec, nbytes, manifest.wire_ratios) for codec in codecs}
    listed = "  ".join(f"{codec} {share:.2f}" for codec, share in shares.items())
    return f"{listed} of the bytes between pieces"


def _share_sent(
    codec: CodecName,
    nbytes: Mapping[str, int],
    ratios: Mapping[str, Mapping[CodecName, float]],
) -> float:
    sent = sum(ratios[tensor].get(codec, 1.0) * size for tensor, size in nbytes.items())
    return sent / sum(nbytes.values())
