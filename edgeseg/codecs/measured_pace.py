"""Measures what codecs cost a core of this machine."""

import threading
import time

import numpy as np

from edgeseg.codecs.names import CODECS, NONE, CodecName
from edgeseg.codecs.pace import CodecPace
from edgeseg.codecs.table import decode, encode

_SAMPLE_SHAPE = (1, 64, 64, 32)
_BEST_OF = 2


def measure_codecs() -> tuple[CodecPace, ...]:
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
