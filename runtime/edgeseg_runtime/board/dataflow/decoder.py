"""What the model makes of a slice, as it travels back: 8-bit probabilities or the native mask."""

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding, Port, Preprocessing
from edgeseg.imaging.slices import SliceGeometry, cheaper_on_board, to_native, to_probabilities
from edgeseg.inference.quantization import dequantize


@dataclass(frozen=True)
class Decoder:
    """Turns the model's output into whichever is fewer bytes."""

    output: Port
    preprocessing: Preprocessing
    decoding: Decoding

    def travels_as(self, geometry: SliceGeometry) -> Literal["probabilities", "mask"]:
        """Tell what is sent of a slice of that grid."""
        channels = self.output.shape[-1]
        return (
            "mask" if cheaper_on_board(geometry, self.preprocessing, channels) else "probabilities"
        )

    def decode(self, array: NDArray[Any], geometry: SliceGeometry) -> NDArray[Any]:
        """Return 8-bit probabilities (H, W, C), or the mask (rows, columns)."""
        floats = dequantize(array, self.output) if self.output.dtype == "int8" else array
        probabilities = to_probabilities(floats)
        if self.travels_as(geometry) == "probabilities":
            return probabilities
        return to_native(probabilities, geometry, self.preprocessing, self.decoding)
