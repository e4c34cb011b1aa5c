"""Lambdas that are arithmetic of a value are recognised in the bytes of every Python, never run."""

import base64
import marshal
from typing import Any

import pytest

from edgeseg_converters.keras.lambdas import layer_of_lambda, way_out_of_lambda

DUMPED = {
    "3.7": (
        "4wEAAAAAAAAAAQAAAAMAAABDAAAAcw4AAABkAWQCfAALABQAGABTACkDTukBAAAA6QIAAACpACkB2gF4"
        "cgMAAAByAwAAANoIPHN0cmluZz7aCDxsYW1iZGE+BQAAAPMAAAAA"
    ),
    "3.8": (
        "4wEAAAAAAAAAAAAAAAEAAAADAAAAQwAAAHMOAAAAZAFkAnwACwAUABgAUwApA07pAQAAAOkCAAAAqQCp"
        "AdoBeHIDAAAAcgMAAADaCDxzdHJpbmc+2gg8bGFtYmRhPgUAAADzAAAAAA=="
    ),
    "3.10": (
        "4wEAAAAAAAAAAAAAAAEAAAADAAAAQwAAAHMOAAAAZAFkAnwACwAUABgAUwApA07pAQAAAOkCAAAAqQCp"
        "AdoBeHIDAAAAcgMAAADaCDxzdHJpbmc+2gg8bGFtYmRhPgUAAABzAgAAAA4A"
    ),
    "3.11": (
        "4wEAAAAAAAAAAAAAAAMAAAADAAAA8xQAAACXAGQBZAJ8AAsAegUAAHoKAABTACkDTukBAAAA6QIAAACp"
        "AKkB2gF4cwEAAAAg+gg8c3RyaW5nPvoIPGxhbWJkYT5yCAAAAAUAAABzEAAAAIAAiEGQAZBRkEKRBolK"
        "gADzAAAAAA=="
    ),
    "3.12": (
        "4wEAAAAAAAAAAAAAAAMAAAADAAAA8xQAAACXAGQBZAJ8AAsAegUAAHoKAABTACkDTukBAAAA6QIAAACp"
        "AKkB2gF4cwEAAAAg+gg8c3RyaW5nPvoIPGxhbWJkYT5yCAAAAAUAAABzEAAAAIAAiEGQAZBRkEKRBolK"
        "gADzAAAAAA=="
    ),
    "3.13": (
        "4wEAAAAAAAAAAAAAAAMAAAADAAAA8xQAAACVAFMBUwJVACoALQUAAC0KAAAkACkDTukBAAAA6QIAAACp"
        "AKkB2gF4cwEAAAAg2gg8c3RyaW5nPtoIPGxhbWJkYT5yCAAAAAUAAABzDgAAAIAAiEGQAZBRkEKRBopK"
        "8wAAAAA="
    ),
}
"""``lambda x: 1 - 2 * -x`` as versions of Python dump it."""


def described(code: str, **settings: Any) -> dict[str, Any]:
    told = {"code": code, "defaults": None, "closure": None}
    return {"config": {"function": {"class_name": "__lambda__", "config": told}, **settings}}


def dumped(function: Any) -> dict[str, Any]:
    return described(base64.b64encode(marshal.dumps(function.__code__)).decode())


@pytest.mark.parametrize("version", DUMPED)
def test_every_version_of_python_is_read(version: str) -> None:
    expected = ("Rescaling", {"scale": 2.0, "offset": 1.0})
    assert layer_of_lambda(described(DUMPED[version])) == expected


@pytest.mark.parametrize(
    ("function", "scale", "offset"),
    [
        (lambda x: x, 1.0, 0.0),
        (lambda x: x / 255, 1 / 255, 0.0),
        (lambda x: x / 127.5 - 1, 1 / 127.5, -1.0),
        (lambda x: (x - 0.5) * 2 + x, 3.0, -1.0),
    ],
)
def test_arithmetic_is_a_rescaling(function: Any, scale: float, offset: float) -> None:
    assert layer_of_lambda(dumped(function)) == ("Rescaling", {"scale": scale, "offset": offset})


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x,
        lambda x: 1 / x,
        lambda x: x / 0,
        lambda x, y: x + 1,
        lambda x: x.__class__,
        lambda x: __import__("os").getcwd() and x,
        lambda x: x if x > 2 else 1,
        lambda: 1,
    ],
)
def test_anything_else_is_not_recognised(function: Any) -> None:
    assert layer_of_lambda(dumped(function)) is None


def test_a_lambda_with_settings_of_its_own_is_not_recognised() -> None:
    assert layer_of_lambda(described(DUMPED["3.11"], arguments={"y": 1})) is None


@pytest.mark.parametrize("code", ["", "4wEA", "!!", base64.b64encode(b"c" + b"\xff" * 60).decode()])
def test_damaged_bytes_are_not_recognised(code: str) -> None:
    assert layer_of_lambda(described(code)) is None
    assert way_out_of_lambda(described(code)) is None


def test_every_cut_of_the_bytes_is_survived() -> None:
    content = base64.b64decode(DUMPED["3.11"])
    for end in range(len(content)):
        cut = bytearray(content)
        cut[end] ^= 0x55
        for damaged in (content[:end], bytes(cut)):
            layer_of_lambda(described(base64.b64encode(damaged).decode()))


def test_names_that_double_at_each_level_are_not_written_out() -> None:
    """Each tuple holds the one before twice; written out, 200 of them would fill any memory."""
    shared = [
        bytes([ord(")") | 0x80, 2]) + (b"r" + level.to_bytes(4, "little")) * 2
        for level in range(200)
    ]
    names = b")\xc9" + bytes([ord("z") | 0x80, 1]) + b"x" + b"".join(shared)
    content = b"c" + bytes(20) + b"s" + bytes(4) + b")\0" + names
    code = base64.b64encode(content).decode()
    assert way_out_of_lambda(described(code)) is None
    plain = content.replace(names, b")\1z\6resize")
    assert way_out_of_lambda(described(base64.b64encode(plain).decode())) is not None


def test_names_tell_what_replaces_a_lambda() -> None:
    found = way_out_of_lambda(dumped(lambda x: tf.image.resize(x, (8, 8))))  # type: ignore[name-defined] # noqa: F821 - never run
    assert found == "use a Resizing or an UpSampling2D layer"
