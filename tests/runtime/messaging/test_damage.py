"""Links without keys that change bits: what comes damaged is noticed, and sent again."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from flipping import FlippingProxy
from limits import limit_for_runs
from numpy.typing import NDArray
from processes import Workers

from edgeseg.bundle.bundle_file import Bundle
from edgeseg_runtime import Segmenter

pytestmark = pytest.mark.worker

_SLICES = 40


@pytest.mark.parametrize("chained", [False, True])
def test_flipped_bits_change_no_mask(
    workers: Workers,
    base_memory: int,
    tiny_bundle: Path,
    hounsfield: NDArray[np.int16],
    *,
    chained: bool,
) -> None:
    """On the way to boards, between boards, and on the way back."""
    scan = np.stack([hounsfield[n % 6] + n for n in range(_SLICES)]).astype(np.int16)
    with Segmenter(tiny_bundle, [workers.start().endpoint]) as segmenter:
        expected = segmenter.segment(scan).mask
    limit = limit_for_runs(Bundle(tiny_bundle).manifest, base_memory, 2) if chained else "1GiB"
    told: list[str] = []
    with ExitStack() as stack:
        proxies = [
            stack.enter_context(FlippingProxy(workers.start(limit=limit).endpoint, every_bytes))
            for every_bytes in ((150_000, 400_000) if chained else (60_000, 90_000))
        ]
        boards = [proxy.endpoint for proxy in proxies]
        segmenter = stack.enter_context(Segmenter(tiny_bundle, boards, tell=told.append))
        mask = segmenter.segment(scan).mask
    np.testing.assert_array_equal(mask, expected)
    assert sum(proxy.flipped for proxy in proxies) >= 1
    assert any("was lost" in line for line in told)
