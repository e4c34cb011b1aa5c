"""What codecs are called, and how much smaller they make a tensor; no NumPy is needed for that."""

from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

CodecName: TypeAlias = Literal["none", "lossless", "half", "int8"]
"""A codec, from most bytes to fewest."""

Wire: TypeAlias = Literal["auto", "none", "lossless", "half", "int8"]
"""How tensors pass between boards: one codec for all, or ``auto``: lossless where it pays."""

CODECS: tuple[CodecName, ...] = get_args(CodecName)
NONE: CodecName = "none"

Ratio: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1)]
"""Bytes of a payload for each byte of its tensor."""
