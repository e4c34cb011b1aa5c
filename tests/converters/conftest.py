"""What tests of the compiler share: weights follow fewer slices than in earnest."""

import pytest

from edgeseg_converters.compress.fitting import layerwise


@pytest.fixture(autouse=True)
def few_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit and round to 32 slices; networks this small need no more of them."""
    monkeypatch.setattr(layerwise, "_SLICES", 32)
