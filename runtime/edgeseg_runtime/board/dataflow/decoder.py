"""The model's output in the form in which it is sent: 8-bit probabilities or the native mask."""

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding, Port, Preprocessing
from edgeseg.imaging.slices import SliceGeometry, cheaper_on_board, to_native, to_probabilities
from edgeseg.inference.quantization import dequantize


@dataclass(frozen=True)
class Decoder:
    """Turns the model's output into whichever form takes fewer bytes, unless one is asked for.

    Attributes
    ----------
    output, preprocessing, decoding
        Those of the manifest.
    probabilities
        Whether every slice is sent as probabilities.
    """

    output: Port
    preprocessing: Preprocessing
    decoding: Decoding
    probabilities: bool = False

    def sent_as(self, geometry: SliceGeometry) -> Literal["probabilities", "mask"]:
        """Tell in which form a slice of that native grid is sent."""
        if self.probabilities or not cheaper_on_board(geometry, self.output):
            return "probabilities"
        return "mask"

    def decode(self, array: NDArray[Any], geometry: SliceGeometry) -> NDArray[Any]:
        """Decode the output of one slice.

        Parameters
        ----------
        array
            Output of the model, (1, H, W, C).
        geometry
            The native grid of the slice.

        Returns
        -------
        ndarray
            8-bit probabilities (H, W, C), or the mask on the native grid (rows, columns), as
            :meth:`sent_as` says.
        """
        floats = dequantize(array, self.output) if self.output.dtype == "int8" else array
        probabilities = to_probabilities(floats)
        if self.sent_as(geometry) == "probabilities":
            return probabilities
        return to_native(probabilities, geometry, self.preprocessing, self.decoding)
