"""What codecs cost a core, a byte of the tensor: measured, or expected of a board not at hand."""

import threading
import time
from dataclasses import dataclass

import numpy as np

from edgeseg.codecs.table import CODECS, NONE, CodecName, decode, encode

_SAMPLE_SHAPE = (1, 64, 64, 32)
_BEST_OF = 2


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


def measured_paces() -> tuple[CodecPace, ...]:
    """Return what codecs cost a core here, in a few milliseconds.

    It runs in a thread of its own, whose memory is freed with it.
    """
    paces: list[CodecPace] = []
    thread = threading.Thread(
        target=lambda: paces.extend(map(_measure, (c for c in CODECS if c != NONE)))
    )
    thread.start()
    thread.join()
    return tuple(paces)


def _measure(codec: CodecName) -> CodecPace:
    """Measure a codec on what a ReLU makes of smooth noise."""
    noise = np.random.default_rng(0).normal(size=_SAMPLE_SHAPE).astype(np.float32)
    array = np.maximum(noise.cumsum(axis=2, dtype=np.float32), 0)
    encoding = decoding = float("inf")
    for _ in range(_BEST_OF):
        start = time.perf_counter()
        payload = encode(codec, array)
        middle = time.perf_counter()
        if payload is not None:
            decode(codec, payload, array.dtype.name, array.shape)
        encoding = min(encoding, middle - start)
        decoding = min(decoding, time.perf_counter() - middle)
    return CodecPace(codec, encoding / array.nbytes, decoding / array.nbytes)
