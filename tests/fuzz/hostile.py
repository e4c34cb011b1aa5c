"""Messages as nobody should send them: noise, changed ones, wrong fields, out of date or place."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.messaging.wire import (
    MAX_HEADER_BYTES,
    PROTOCOL,
    AnyMessage,
    Assignment,
    Bye,
    Echo,
    Failed,
    Hello,
    Job,
    PieceData,
    PieceRequest,
    Ping,
    Pong,
    Probe,
    Ready,
    Refused,
    SliceResult,
    StatusRequest,
    TensorData,
    TrialRequest,
    TrialResult,
    Welcome,
    encode,
)
from edgeseg_runtime.messaging.wire.parts import PART_BYTES, cut

Frames = list[bytes]

_NASTY: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 0.0, -1e308, float("nan")),
    *(float("inf"), "", "x", "\x00", "\x1b[2J", "../../etc/passwd", "\u202e", "a" * 600, b"raw"),
    *([], [[]], [0] * 9, [2**40, 2**40], [-1], {}, {"": ""}, {"type": "Bye"}),
)
_LARGE = bytes(PART_BYTES)
_BARE = 0.2
"""Share of the messages that are no part, so that nobody looks into them."""

_KINDS = ("noise", "many frames", "flipped", "cut", "wrong field", "out of place", "wrong payload")


class Hostile:
    """Makes hostile messages, the same ones for the same seed.

    Parameters
    ----------
    seed
        Of the random choices.
    assignment
        A real one, whose epoch is over.
    epochs
        Epochs that the messages claim to be of.
    """

    def __init__(self, seed: int, assignment: Assignment, epochs: Sequence[int]) -> None:
        self._rng = random.Random(seed)
        self._epochs = epochs
        self._assignment = assignment
        self.counts: Counter[str] = Counter()

    def message(self) -> Frames:
        """Make the next one."""
        draw = self._rng.random()
        if draw < 0.0002:
            self.counts["large"] += 1
            return _as_part(self._large())
        kind = _KINDS[int(draw * len(_KINDS))]
        self.counts[kind] += 1
        frames = self._of(kind)
        return frames if self._rng.random() < _BARE else _as_part(frames)

    def _of(self, kind: str) -> Frames:
        rng = self._rng
        if kind == "noise":
            return [rng.randbytes(rng.randrange(64)) for _ in range(rng.randint(1, 3))]
        if kind == "wrong payload":
            return [encode(self._tensor()), bytes(rng.choice([0, 1, 63, 64, 65, 256, 4096]))]
        if kind == "wrong field":
            return [self._spoilt(), bytes(64)]
        header = bytearray(encode(self._real()))
        if kind == "cut":
            del header[rng.randrange(len(header)) :]
        elif kind == "flipped":
            for _ in range(rng.randint(1, 6)):
                header[rng.randrange(len(header))] = rng.randrange(256)
        extra_frames = {"many frames": rng.randint(2, 40), "out of place": rng.randrange(2)}
        return [bytes(header), *([b"x"] * extra_frames.get(kind, 0))]

    def _large(self) -> Frames:
        return self._rng.choice(
            [
                [bytes(MAX_HEADER_BYTES + 1)],
                [b"\x81\xa1a" * 100_000],
                [encode(self._tensor()), _LARGE],
                [_LARGE, _LARGE],
            ]
        )

    def _spoilt(self) -> bytes:
        """Encode a real message with one field of another kind."""
        content = msgspec.to_builtins(self._real(), builtin_types=(bytes,))
        parent: Any = content
        while True:
            keys = list(parent) if isinstance(parent, dict) else range(len(parent))
            if not keys:
                break
            key = self._rng.choice(keys)
            if isinstance(parent[key], (dict, list)) and parent[key] and self._rng.random() < 0.7:
                parent = parent[key]
                continue
            if isinstance(parent, tuple):
                break
            parent[key] = self._rng.choice(_NASTY)
            break
        return msgspec.msgpack.encode(content)

    def _job(self) -> Job:
        rng = self._rng
        side = rng.choice([8, 0, 1, 64, 2**20])
        return Job(
            rng.choice(self._epochs),
            rng.choice([0, 1, 7, 2**40]),
            rng.choice([0, 0, 1, 99]),
            SliceGeometry(side, side),
        )

    def _tensor(self) -> TensorData:
        rng = self._rng
        shape = rng.choice([(8, 8), (1, 8, 8, 4), (64,), (), (0,), (-1,), (2**31, 2**31)])
        name = rng.choice(["image", "t0", "t1", "elsewhere"])
        dtype = rng.choice(["uint8", "uint16", "float32", "int8"])
        planes = tuple(rng.randrange(4) for _ in range(rng.choice([0, 0, 1, 3])))
        return TensorData(self._job(), name, dtype, shape, planes)

    def _real(self) -> AnyMessage:
        rng = self._rng
        epoch = rng.choice(self._epochs)
        piece = self._assignment.pieces[0]
        number = rng.randrange(20)
        if number < 4:
            return self._tensor()
        if number == 4:
            return msgspec.structs.replace(self._assignment, epoch=epoch)
        messages: tuple[AnyMessage, ...] = (
            Hello(rng.choice(["mine", "rightful", ""]), rng.choice([PROTOCOL, 1, 2**40])),
            StatusRequest(rng.choice([PROTOCOL, 0])),
            Ping("rightful"),
            Bye("rightful"),
            PieceData(epoch, piece.sha256),
            Probe(rng.choice([0, 2**24])),
            TrialRequest(epoch, piece.name),
            PieceRequest(epoch, rng.choice([piece.sha256, "../" + "0" * 61])),
            Ready(epoch),
            Refused(epoch, "because \x1b[2J\nof me"),
            Failed(self._job(), "no reason"),
            TrialResult(epoch, piece.name, float("nan")),
            SliceResult(self._job(), "mask", rng.choice([(8, 8), (64,), (), (2**40,)])),
            Welcome(-1, 2**62, rng.choice([0, -5, 2**40]), {"": ""}),
            Pong(1, 1, 1, {}),
        )
        return messages[number % len(messages)] if number > 4 else Echo()


def _as_part(frames: Frames) -> Frames:
    """Return what passes for a part, wherever it can: header, record and payload."""
    header, payload, *others = [*frames, b""]
    if not header:
        return frames
    (part,) = cut(header, memoryview(payload), 0, sealed=False)
    return [*map(bytes, part), *others[:-1]]
