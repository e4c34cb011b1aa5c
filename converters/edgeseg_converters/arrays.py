"""Arrays as the compiler passes them: what a model reads."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

ModelInput: TypeAlias = NDArray[np.float32]
"""The model's input, (1, H, W, C), float32."""
