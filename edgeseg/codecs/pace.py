"""What codecs cost a core, a byte of the tensor."""

from dataclasses import dataclass

from edgeseg.codecs.names import CodecName


@dataclass(frozen=True)
class CodecPace:
    """What a codec costs.

    Parameters
    ----------
    codec
        Any but ``none``, which costs nothing.
    encode, decode
        Seconds of one core for each byte of the tensor.
    """

    codec: CodecName
    encode: float
    decode: float


_REFERENCE = (
    CodecPace("lossless", 7e-9, 5e-9),
    CodecPace("half", 6e-9, 5e-9),
    CodecPace("int8", 6e-9, 3e-9),
)
"""A board of speed 1, about a Cortex-A72 at 1.5 GHz: five times as long as the x86 core of the
benchmarks. An estimate."""


def expected_paces(speed: float) -> tuple[CodecPace, ...]:
    """Return what codecs cost a core of a board that was not measured.

    Parameters
    ----------
    speed
        Of its cores, relative to a Cortex-A72 at 1.5 GHz.
    """
    return tuple(CodecPace(p.codec, p.encode / speed, p.decode / speed) for p in _REFERENCE)
