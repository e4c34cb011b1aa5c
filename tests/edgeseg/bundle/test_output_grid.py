"""What a manifest says of where the output lies, and of tiles; what of it contradicts itself."""

from typing import Any

import msgspec
import pytest
from manifests import make_manifest, make_piece

from edgeseg.bundle.manifest import Decoding, Manifest, OutputField, Port, Preprocessing, format_for
from edgeseg.bundle.manifest_checks import contradiction, parse_manifest
from edgeseg.bundle.meaning import describe_decoding
from edgeseg.errors import BundleError

PLAIN = Preprocessing((0.0, 255.0), (8, 8), 1, 1.0)
FIELD = OutputField((6, 6), 1, 1, 6, 6)


def manifest_of(output: tuple[int, ...], field: Any = msgspec.UNSET, **how: Any) -> Manifest:
    piece = make_piece(0, [Port("image", (1, 8, 8, 1))], [Port("mask", output)])
    return msgspec.structs.replace(
        make_manifest([piece]),
        decoding=Decoding("sigmoid", (1,), field),
        preprocessing=msgspec.structs.replace(PLAIN, **how),
    )


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (manifest_of((1, 6, 6, 1)), "does not fit the labels"),
        (manifest_of((1, 8, 8, 1), FIELD), "does not fit the labels"),
        (manifest_of((1, 6, 6, 1), OutputField((6, 6), 8, 0, 6, 6)), "not lie on the input"),
        (manifest_of((1, 6, 6, 1), OutputField((6, 6), 1, 1, 1e-7, 6)), "too fine to be laid out"),
        (manifest_of((1, 6, 6, 1), OutputField((6, 6), 1, 1, 1e-3, 1e-3)), "too fine to be laid"),
        (manifest_of((1, 8, 8, 1), tile_step=0.5, spacing_mm=None), "need a spacing"),
        (
            manifest_of((1, 4, 4, 1), OutputField((4, 4), 0, 0, 8, 8), tile_step=0.5),
            "need the resolution of the input",
        ),
    ],
)
def test_contradictions(manifest: Manifest, said: str) -> None:
    problem = contradiction(manifest)
    assert problem is not None
    assert said in problem


@pytest.mark.parametrize(
    "manifest", [manifest_of((1, 6, 6, 1), FIELD), manifest_of((1, 6, 6, 1), FIELD, tile_step=0.5)]
)
def test_what_is_said_comes_back_in_a_later_format(manifest: Manifest) -> None:
    assert parse_manifest(msgspec.json.encode(manifest), "here") == manifest
    assert format_for(manifest.preprocessing, manifest.decoding) == 3


def test_what_is_not_said_is_not_written() -> None:
    manifest = manifest_of((1, 8, 8, 1))
    written = msgspec.to_builtins(manifest)
    assert "field" not in written["decoding"]
    assert "tile_step" not in written["preprocessing"]
    assert format_for(manifest.preprocessing, manifest.decoding) == 2


def test_an_output_far_finer_than_its_input_is_none_that_is_too_fine() -> None:
    assert contradiction(manifest_of((1, 512, 512, 1), OutputField((512, 512), 0, 0, 8, 8))) is None


@pytest.mark.parametrize("step", [0.0, 1.5])
def test_steps_that_leave_gaps_are_no_manifest(step: float) -> None:
    written = msgspec.to_builtins(manifest_of((1, 8, 8, 1), tile_step=0.5))
    written["preprocessing"]["tile_step"] = step
    with pytest.raises(BundleError, match="can't be read"):
        parse_manifest(msgspec.json.encode(written), "here")


def test_a_meaning_is_said_in_words() -> None:
    labels = manifest_of((1, 8, 8, 1)).labels
    one = Decoding("sigmoid", (1,), FIELD)
    assert describe_decoding(one, labels) == (
        "where the channel is at least one half: kidney; made at 6 x 6 for rows 1 to 7 and "
        "columns 1 to 7 of the input"
    )
    assert describe_decoding(Decoding("softmax", (0, 1)), labels) == (
        "the likeliest of 2 channels: 0 background, 1 kidney"
    )
    assert "none is the background" in describe_decoding(Decoding("softmax", (1, 1)), labels)
    assert describe_decoding(Decoding("sigmoid", (1,) * 20), labels).count("kidney") == 8
