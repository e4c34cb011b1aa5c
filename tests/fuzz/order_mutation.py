"""Orders of a coordinator changed at random: they pass for orders, and make little sense."""

import random
from typing import Any

import msgspec

from edgeseg_runtime.messaging.wire import Assignment

_NASTY: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 3, 255, 2**16, 2**31, 2**40, 2**62, 0.0, 0.5, -1.5),
    *("", "a", "image", "t1", "piece_00", "piece_01", "float32", "int8", "softmax", [], {}),
)


def mutate(order: Assignment, rng: random.Random) -> Assignment | None:
    """Change one to three fields of an order; None where it is no order any more."""
    content = msgspec.to_builtins(order, builtin_types=(bytes,))
    for _ in range(rng.randint(1, 3)):
        _change(content, rng)
    try:
        return msgspec.convert(content, Assignment)
    except msgspec.ValidationError:
        return None


def _change(content: Any, rng: random.Random) -> None:
    """Put something else in the place of a part; of one that is a list also fewer or more."""
    parent: Any = content
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            return
        key = rng.choice(keys)
        part = parent[key]
        if isinstance(part, tuple):
            part = parent[key] = list(part)
        if isinstance(part, (dict, list)) and part and rng.random() < 0.8:
            parent = part
            continue
        if isinstance(part, list) and part and rng.random() < 0.7:
            part.insert(0, part[-1]) if rng.random() < 0.5 else part.pop()
        elif key != "type":
            # Of the same type most of the time: else little gets past the decoder.
            alike = [value for value in _NASTY if type(value) is type(part)]
            parent[key] = rng.choice(alike if alike and rng.random() < 0.9 else _NASTY)
        return
