"""Operators that pick, move, repeat and join values: sizes and orders change, values do not."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeseg_converters.keras.operators.call import (
    OperatorCall,
    array_of,
    integers,
    number_of,
    operands_in,
)
from edgeseg_converters.keras.operators.general import operator
from edgeseg_converters.keras.parts import Operand, Outcome, Part
from edgeseg_converters.layers.operators import FULL

_IMAGE_RANK = 4
_Range = tuple[int, ...] | int


def reshape(call: OperatorCall) -> Outcome | None:
    """Translate ``reshape``."""
    (tensor, *_) = call.operands
    shape = _whole(call.get("newshape", "shape", "target_shape"))
    if shape is None:
        return None
    # The batch, which is one, may be left open.
    shape = [
        1 if position == 0 and -1 in shape[1:] and extent == -1 else extent
        for position, extent in enumerate(shape)
    ]
    known = math.prod(extent for extent in shape if extent != -1)
    filled = [math.prod(tensor.shape) // known if extent == -1 else extent for extent in shape]
    return _reshaped(tensor, filled)


def expand_dims(call: OperatorCall) -> Outcome | None:
    """Translate ``expand_dims``."""
    (tensor, *_) = call.operands
    axes = integers(call.get("axis", default=-1))
    if axes is None:
        return None
    rank = tensor.rank + len(axes)
    places = {axis % rank for axis in axes}
    extents = iter(tensor.shape)
    return _reshaped(tensor, [1 if axis in places else next(extents) for axis in range(rank)])


def squeeze(call: OperatorCall) -> Outcome | None:
    """Translate ``squeeze``; without axes all of extent one go, but the batch's."""
    (tensor, *_) = call.operands
    axes = integers(call.get("axis", "squeeze_dims", default=[]))
    if axes is None:
        return None
    gone = {axis % tensor.rank for axis in axes} or {
        axis for axis, extent in enumerate(tensor.shape) if axis and extent == 1
    }
    return _reshaped(tensor, [n for axis, n in enumerate(tensor.shape) if axis not in gone])


def flatten(call: OperatorCall) -> Outcome:
    """Translate ``flatten`` of all axes but the batch's."""
    (tensor, *_) = call.operands
    return _reshaped(tensor, [1, math.prod(tensor.shape)])


def transpose(call: OperatorCall) -> Outcome | None:
    """Translate ``transpose``, ``swapaxes`` and ``moveaxis``."""
    (tensor, *_) = call.operands
    order = _order(call, tensor)
    if order is None or sorted(order) != list(range(tensor.rank)):
        return None
    if order[0] == 0:
        return (Part("Permute", {"dims": order[1:]}),)
    return (operator("transpose", (tensor,), {"axes": order}),)


def _order(call: OperatorCall, tensor: Operand) -> list[int] | None:
    order = list(range(tensor.rank))
    if call.function == "swapaxes":
        one, other = (int(call.get(name)) % tensor.rank for name in ("axis1", "axis2"))
        order[one], order[other] = other, one
        return order
    if call.function == "moveaxis":
        sources = [axis % tensor.rank for axis in integers(call.get("source")) or []]
        targets = [axis % tensor.rank for axis in integers(call.get("destination")) or []]
        rest = [axis for axis in order if axis not in sources]
        for target, source in sorted(zip(targets, sources, strict=True)):
            rest.insert(target, source)
        return rest
    axes = integers(call.get("axes", "perm", default=order[::-1]))
    return None if axes is None else [axis % tensor.rank for axis in axes]


def get_item(call: OperatorCall) -> Outcome | None:
    """Translate ``x[key]``: ranges and numbers along axes, new axes."""
    (tensor, *others) = call.operands
    key = call.get("key", "slice_spec")
    ranges = None if others else _ranges(key, tensor)
    if ranges is None:
        return None
    kept = [entry for entry in ranges if entry is not None]
    outcome = pick(tensor, kept)
    if None not in ranges:
        return outcome
    shape = []
    extents = iter(_picked(tensor.shape, kept))
    for entry in ranges:
        if entry is None:
            shape.append(1)
        elif not isinstance(entry, int):
            shape.append(next(extents))
    shape += extents
    if isinstance(outcome, Operand):
        return _reshaped(outcome, shape)
    return (*outcome, Part("Reshape", {"target_shape": shape[1:]})) if shape[0] == 1 else None


def slice_from(call: OperatorCall) -> Outcome | None:
    """Translate ``slice`` with starts and extents."""
    (tensor, *_) = call.operands
    starts = _whole(call.get("start_indices", "begin"))
    extents = _whole(call.get("shape", "size"))
    if starts is None or extents is None:
        return None
    return pick(
        tensor,
        [
            (start, start + extent if extent >= 0 else whole, 1)
            for start, extent, whole in zip(starts, extents, tensor.shape, strict=True)
        ],
    )


def split(call: OperatorCall) -> tuple[Outcome, ...] | None:
    """Translate ``split`` in equal parts, at indices, or (TensorFlow's) of given extents."""
    (tensor, *_) = call.operands
    axis = int(call.get("axis", default=0)) % tensor.rank
    whole = tensor.shape[axis]
    told = call.get("indices_or_sections", "num_or_size_splits", "num_split")
    numbers = integers(told)
    if numbers is None or axis == 0:
        return None
    if np.ndim(told) == 0:
        edges = [whole * number // numbers[0] for number in range(numbers[0] + 1)]
    elif call.get("indices_or_sections") is not None:
        edges = [0, *numbers, whole]
    else:
        open_ = whole - sum(number for number in numbers if number >= 0)
        extents = [open_ if number < 0 else number for number in numbers]
        edges = [0, *np.cumsum(extents).tolist()]
    return tuple(
        pick(tensor, _along(axis, (start, stop, 1))) for start, stop in itertools.pairwise(edges)
    )


def unstack(call: OperatorCall) -> tuple[Outcome, ...] | None:
    """Translate ``unstack``."""
    (tensor, *_) = call.operands
    axis = int(call.get("axis", default=0)) % tensor.rank
    if axis == 0:
        return None
    return tuple(pick(tensor, _along(axis, number)) for number in range(tensor.shape[axis]))


def _along(axis: int, entry: _Range) -> list[_Range]:
    return [*[FULL] * axis, entry]


def take(call: OperatorCall) -> Outcome | None:
    """Translate ``take`` and ``gather`` of constant indices along an axis."""
    (tensor, *others) = call.operands
    indices = call.get("indices")
    axis, numbers = call.get("axis"), integers(indices)
    if others or numbers is None or axis is None or int(axis) % tensor.rank == 0:
        return None
    axis = int(axis) % tensor.rank
    if np.ndim(indices) == 0:
        return pick(tensor, _along(axis, numbers[0] % tensor.shape[axis]))
    options = {"indices": [number % tensor.shape[axis] for number in numbers], "axis": axis}
    return (operator("take", (tensor,), options),) if np.ndim(indices) == 1 else None


def pick(tensor: Operand, key: Sequence[_Range]) -> Operand | tuple[Part, ...]:
    """Return what picks a number or a range of each axis; a crop where it is rows and columns.

    Parameters
    ----------
    tensor
        What is picked from.
    key
        A number, a range (start, stop, step) or :data:`FULL` for each of its first axes.
    """
    filled = [*key, *[FULL] * (tensor.rank - len(key))]
    plain = [
        FULL if entry == (0, extent, 1) else entry
        for entry, extent in zip(filled, tensor.shape, strict=True)
    ]
    if all(entry == FULL for entry in plain):
        return tensor
    rows_and_columns = plain[0] == plain[-1] == FULL and tensor.rank == _IMAGE_RANK
    if rows_and_columns and all(_is_crop(entry) for entry in plain[1:3]):
        cropping = [
            [0, 0] if entry == FULL else [entry[0], extent - entry[1]]  # type: ignore[index] # a range
            for entry, extent in zip(plain[1:3], tensor.shape[1:3], strict=True)
        ]
        return (Part("Cropping2D", {"cropping": cropping}, (tensor.name,)),)
    listed = [entry if isinstance(entry, int) else list(_open(entry)) for entry in plain]
    return (operator("slice", (tensor,), {"key": listed}),)


def _is_crop(entry: _Range) -> bool:
    return entry == FULL or (not isinstance(entry, int) and entry[2] == 1)


def _open(entry: tuple[int, ...]) -> tuple[int | None, ...]:
    """Return a range that a slice understands: one to the first value backwards ends nowhere."""
    return (entry[0], None, entry[2]) if entry and entry[1] < 0 else entry


def _picked(shape: Sequence[int], key: Sequence[_Range]) -> list[int]:
    filled = [*key, *[FULL] * (len(shape) - len(key))]
    return [
        extent if entry == FULL else len(range(*entry))
        for entry, extent in zip(filled, shape, strict=True)
        if not isinstance(entry, int)
    ]


def _ranges(key: Any, tensor: Operand) -> list[_Range | None] | None:
    """Return an entry for each axis of a key, None for a new one; None if it can't be read."""
    items = list(key) if isinstance(key, list | tuple) else [key]
    consumed = sum(item is not None and item is not Ellipsis for item in items)
    ranges: list[_Range | None] = []
    extents = iter(tensor.shape)
    for item in items:
        if item is Ellipsis:
            ranges += [(0, next(extents), 1) for _ in range(tensor.rank - consumed)]
        elif item is None:
            ranges.append(None)
        else:
            entry = _entry(item, next(extents, 0))
            if entry is None:
                return None
            ranges.append(entry)
    return ranges


def _entry(item: Any, extent: int) -> _Range | None:
    if isinstance(item, Mapping) and {"start", "stop", "step"} == item.keys():
        item = slice(*(item[end] for end in ("start", "stop", "step")))
    if isinstance(item, slice):
        ends = [
            None if end is None else integers(end) for end in (item.start, item.stop, item.step)
        ]
        if any(end is not None and len(end) != 1 for end in ends):
            return None
        return slice(*(None if end is None else end[0] for end in ends)).indices(extent)
    number = integers(item)
    if number is None or len(number) != 1 or isinstance(item, bool):
        return None
    return number[0] % extent if extent else None


def pad(call: OperatorCall) -> Outcome | None:
    """Translate ``pad``; with zeros at the edges of an image it is a layer."""
    (tensor, *_) = call.operands
    told = call.get("pad_width", "paddings")
    value = number_of(call.get("constant_values", default=0.0))
    if integers(told) is None or value is None:
        return None
    widths = np.broadcast_to(np.asarray(told, np.int64), (tensor.rank, 2)).tolist()
    mode = str(call.get("mode", default="constant")).lower()
    if any(widths[0]) or mode not in {"constant", "reflect", "symmetric"}:
        return None
    zeros = mode == "constant" and value == 0
    if zeros and tensor.rank == _IMAGE_RANK and not any(widths[3]):
        return (Part("ZeroPadding2D", {"padding": widths[1:3]}),)
    return (operator("pad", (tensor,), {"widths": widths, "mode": mode, "value": value}),)


def resize(call: OperatorCall) -> Outcome | None:
    """Translate ``image.resize``: an enlargement by whole numbers is an up-sampling."""
    (tensor, *_) = call.operands
    size = _whole(call.get("size"))
    method = str(call.get("interpolation", "method", default="bilinear")).lower()
    wrong = ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "preserve_aspect_ratio")
    old = call.operator.startswith("compat.v1") or "_v1" in call.operator
    if size is None or tensor.rank != _IMAGE_RANK or old or any(call.get(n) for n in wrong):
        return None
    if size == list(tensor.shape[1:3]):
        return tensor
    factors = [made // read for made, read in zip(size, tensor.shape[1:3], strict=True)]
    enlarged = [factor * n for factor, n in zip(factors, tensor.shape[1:3], strict=True)]
    if enlarged == size and method in {"nearest", "bilinear"}:
        return (Part("UpSampling2D", {"size": factors, "interpolation": method}),)
    height, width = size
    return (Part("Resizing", {"height": height, "width": width, "interpolation": method}),)


def concatenate(call: OperatorCall) -> Outcome | None:
    """Translate ``concatenate`` of tensors and constants."""
    joined = next(
        (v for v in call.arguments.values() if isinstance(v, list | tuple) and operands_in(v)), []
    )
    axis = call.get("axis", "concat_dim", default=0)
    if not joined or any(not isinstance(v, Operand) and array_of(v) is None for v in joined):
        return None
    first = operands_in(joined)[0]
    axis = int(axis) % first.rank
    if axis == 0:
        return None
    if len(joined) == 1:
        return first
    if all(isinstance(value, Operand) for value in joined):
        names = tuple(operand.name for operand in operands_in(joined))
        return (Part("Concatenate", {"axis": axis}, names),)
    return (operator("concatenate", joined, {"axis": axis}),)


def stack(call: OperatorCall) -> Outcome | None:
    """Translate ``stack``."""
    operands = call.operands
    axis = int(call.get("axis", default=0)) % (operands[0].rank + 1)
    whole = len(operands) == len(call.values) or isinstance(
        next(iter(call.arguments.values())), list | tuple
    )
    if axis == 0 or not whole:
        return None
    return (operator("stack", operands, {"axis": axis}),)


def repeat(call: OperatorCall) -> Outcome | None:
    """Translate ``repeat`` along an axis."""
    (tensor, *_) = call.operands
    times, axis = integers(call.get("repeats")), call.get("axis")
    if times is None or len(times) != 1 or axis is None or int(axis) % tensor.rank == 0:
        return None
    options = {"repeats": times[0], "axis": int(axis) % tensor.rank}
    return (operator("repeat", (tensor,), options),)


def tile(call: OperatorCall) -> Outcome | None:
    """Translate ``tile``."""
    (tensor, *_) = call.operands
    times = _whole(call.get("repeats", "multiples"))
    if times is None or len(times) > tensor.rank:
        return None
    times = [*[1] * (tensor.rank - len(times)), *times]
    return (operator("tile", (tensor,), {"repeats": times}),) if times[0] == 1 else None


def broadcast_to(call: OperatorCall) -> Outcome | None:
    """Translate ``broadcast_to``."""
    (tensor, *_) = call.operands
    shape = _whole(call.get("shape"))
    if shape is None or len(shape) != tensor.rank:
        return None
    filled = [n if extent == -1 else extent for extent, n in zip(shape, tensor.shape, strict=True)]
    return (operator("broadcast_to", (tensor,), {"shape": filled}),) if filled[0] == 1 else None


def flip(call: OperatorCall) -> Outcome | None:
    """Translate ``flip`` and ``roll``."""
    (tensor, *_) = call.operands
    axes = integers(call.get("axis"))
    if not axes or any(axis % tensor.rank == 0 for axis in axes):
        return None
    axes = [axis % tensor.rank for axis in axes]
    if call.function == "flip":
        return (operator("flip", (tensor,), {"axes": axes}),)
    shifts = integers(call.get("shift"))
    if shifts is None or len(shifts) != len(axes):
        return None
    return (operator("roll", (tensor,), {"shift": shifts, "axis": axes}),)


def depth_to_space(call: OperatorCall) -> Outcome | None:
    """Translate ``depth_to_space`` and its inverse."""
    (tensor, *_) = call.operands
    size = integers(call.get("block_size"))
    if size is None or call.get("data_format") not in {None, "NHWC", "channels_last"}:
        return None
    if call.function == "depthtospace":
        return (Part("DepthToSpace", {"block_size": size[0]}),)
    return (operator("space_to_depth", (tensor,), {"block_size": size[0]}),)


def patches(call: OperatorCall) -> Outcome | None:
    """Translate ``extract_patches`` of patches that lie side by side."""
    (tensor, *_) = call.operands
    size = _pair(call.get("size", "sizes"))
    strides = _pair(call.get("strides", default=size))
    dilation = _pair(call.get("dilation_rate", "rates", default=1))
    padding = str(call.get("padding", default="valid")).lower()
    fits = size is not None and not any(
        n % extent for n, extent in zip(tensor.shape[1:3], size, strict=True)
    )
    if not fits or strides != size or dilation != [1, 1] or padding not in {"valid", "same"}:
        return None
    return (operator("patches", (tensor,), {"size": size}),)


def pool(call: OperatorCall) -> Outcome | None:
    """Translate ``max_pool`` and ``average_pool`` of images."""
    (tensor, *_) = call.operands
    size = _pair(call.get("pool_size", "ksize"))
    strides = _pair(call.get("strides", default=size))
    padding = str(call.get("padding", default="valid")).lower()
    last = call.get("data_format") in {None, "NHWC", "channels_last"}
    if size is None or strides is None or tensor.rank != _IMAGE_RANK or not last:
        return None
    kind = "MaxPooling2D" if call.function == "maxpool" else "AveragePooling2D"
    return (Part(kind, {"pool_size": size, "strides": strides, "padding": padding}),)


def _pair(value: Any) -> list[int] | None:
    """Return extents of rows and columns, told by one, two or (batch, rows, columns, channels)."""
    numbers = integers(value)
    if numbers is None or len(numbers) not in {1, 2, 4}:
        return None
    if len(numbers) == 4:
        return numbers[1:3] if numbers[0] == numbers[3] == 1 else None
    return numbers * 2 if len(numbers) == 1 else numbers


def _whole(value: Any) -> list[int] | None:
    """Return a list of extents, in which None and minus one are open."""
    if isinstance(value, list | tuple):
        return integers([-1 if extent is None else _item(extent) for extent in value])
    return integers(value)


def _item(value: Any) -> Any:
    numbers = integers(value)
    return numbers[0] if numbers is not None and len(numbers) == 1 else value


def _reshaped(tensor: Operand, shape: Sequence[int]) -> Outcome:
    if tuple(shape) == tensor.shape:
        return tensor
    if shape[0] == tensor.shape[0] == 1 and len(shape) > 1:
        return (Part("Reshape", {"target_shape": list(shape[1:])}, (tensor.name,)),)
    return (operator("reshape", (tensor,), {"shape": list(shape)}),)
