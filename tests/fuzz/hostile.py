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

Frames = list[bytes]

_NASTY: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 0.0, -1e308, float("nan")),
    *(float("inf"), "", "x", "\x00", "\x1b[2J", "../../etc/passwd", "\u202e", "a" * 600, b"raw"),
    *([], [[]], [0] * 9, [2**40, 2**40], [-1], {}, {"": ""}, {"type": "Bye"}),
)
_LARGE = bytes(8 * 2**20)
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
        self._chance = random.Random(seed)
        self._epochs = epochs
        self._assignment = assignment
        self.made: Counter[str] = Counter()

    def message(self) -> Frames:
        """Make the next one."""
        draw = self._chance.random()
        if draw < 0.0002:
            self.made["large"] += 1
            return self._large()
        kind = _KINDS[int(draw * len(_KINDS))]
        self.made[kind] += 1
        return self._of(kind)

    def _of(self, kind: str) -> Frames:
        chance = self._chance
        if kind == "noise":
            return [chance.randbytes(chance.randrange(64)) for _ in range(chance.randint(1, 3))]
        if kind == "wrong payload":
            return [encode(self._tensor()), bytes(chance.choice([0, 1, 63, 64, 65, 256, 4096]))]
        if kind == "wrong field":
            return [self._spoilt(), bytes(64)]
        header = bytearray(encode(self._real()))
        if kind == "cut":
            del header[chance.randrange(len(header)) :]
        elif kind == "flipped":
            for _ in range(chance.randint(1, 6)):
                header[chance.randrange(len(header))] = chance.randrange(256)
        more = {"many frames": chance.randint(2, 40), "out of place": chance.randrange(2)}
        return [bytes(header), *([b"x"] * more.get(kind, 0))]

    def _large(self) -> Frames:
        return self._chance.choice(
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
        where: Any = content
        while True:
            keys = list(where) if isinstance(where, dict) else range(len(where))
            if not keys:
                break
            key = self._chance.choice(keys)
            if isinstance(where[key], (dict, list)) and where[key] and self._chance.random() < 0.7:
                where = where[key]
                continue
            if isinstance(where, tuple):
                break
            where[key] = self._chance.choice(_NASTY)
            break
        return msgspec.msgpack.encode(content)

    def _job(self) -> Job:
        chance = self._chance
        side = chance.choice([8, 0, 1, 64, 2**20])
        return Job(
            chance.choice(self._epochs),
            chance.choice([0, 1, 7, 2**40]),
            chance.choice([0, 0, 1, 99]),
            SliceGeometry(side, side),
        )

    def _tensor(self) -> TensorData:
        chance = self._chance
        shape = chance.choice([(8, 8), (1, 8, 8, 4), (64,), (), (0,), (-1,), (2**31, 2**31)])
        name = chance.choice(["image", "t0", "t1", "elsewhere"])
        return TensorData(self._job(), name, chance.choice(["uint8", "float32", "int8"]), shape)

    def _real(self) -> AnyMessage:
        chance = self._chance
        epoch = chance.choice(self._epochs)
        piece = self._assignment.pieces[0]
        number = chance.randrange(20)
        if number < 4:
            return self._tensor()
        if number == 4:
            return msgspec.structs.replace(self._assignment, epoch=epoch)
        messages: tuple[AnyMessage, ...] = (
            Hello(chance.choice(["mine", "rightful", ""]), chance.choice([PROTOCOL, 1, 2**40])),
            StatusRequest(chance.choice([PROTOCOL, 0])),
            Ping("rightful"),
            Bye("rightful"),
            PieceData(epoch, piece.sha256),
            Probe(chance.choice([0, 2**24])),
            TrialRequest(epoch, piece.name),
            PieceRequest(epoch, chance.choice([piece.sha256, "../" + "0" * 61])),
            Ready(epoch),
            Refused(epoch, "because \x1b[2J\nof me"),
            Failed(self._job(), "no reason"),
            TrialResult(epoch, piece.name, float("nan")),
            SliceResult(self._job(), "mask", chance.choice([(8, 8), (64,), (), (2**40,)])),
            Welcome(-1, 2**62, chance.choice([0, -5, 2**40]), {"": ""}),
            Pong(1, 1, 1, {}),
        )
        return messages[number % len(messages)] if number > 4 else Echo()
