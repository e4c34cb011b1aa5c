"""What is said of a manifest's codecs, and what it may say of them."""

import msgspec
import pytest
from manifests import chain_manifest

from edgeseg.bundle.manifest import Manifest
from edgeseg.bundle.manifest_checks import contradiction, parse_manifest
from edgeseg.bundle.meaning import describe_wire
from edgeseg.codecs.names import CodecName
from edgeseg.errors import BundleError


def _with_ratios(ratios: dict[str, dict[CodecName, float]]) -> Manifest:
    """Two equal tensors between three pieces."""
    return msgspec.structs.replace(chain_manifest([1, 1, 1]), wire=ratios)


def test_a_tensor_whose_ratio_is_not_known_counts_whole() -> None:
    said = describe_wire(_with_ratios({"t0": {"lossless": 0.5, "half": 0.25}, "t1": {"half": 0.5}}))
    assert said == "lossless 0.75  half 0.38 of the bytes between pieces"


@pytest.mark.parametrize("tensor", ["image", "elsewhere"])
def test_ratios_of_a_tensor_that_no_piece_makes_are_refused(tensor: str) -> None:
    manifest = _with_ratios({tensor: {"half": 0.5}})
    assert contradiction(manifest) == f"no piece makes {tensor}, whose codecs it lists"


def test_a_tensor_without_any_ratio_is_refused() -> None:
    data = msgspec.json.encode(_with_ratios({"t0": {}}))
    with pytest.raises(BundleError, match="a manifest that can't be read"):
        parse_manifest(data, "m.edgeseg")
