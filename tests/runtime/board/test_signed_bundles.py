"""A worker that takes signed bundles only: what it is told to run must be what was signed."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from made_bundles import made_bundle
from made_pieces import sound_piece
from processes import Workers, edgeseg, one_line, segment
from scans import write_ct
from serving import Served, whole
from talking import Sockets, greet

from edgeseg.bundle.bundle_file import MAX_MANIFEST_BYTES, Bundle
from edgeseg.bundle.signature import make_signing_keys, sign_bundle, write_signing_keys
from edgeseg.bundle.signed_manifest import SignedManifest, signed_manifest
from edgeseg_runtime.messaging.wire import Assignment, Ready, Refused

pytest.importorskip("nacl")


class _Signed:
    """A signed bundle, and the key that verifies it."""

    def __init__(self, folder: Path) -> None:
        self.keys = make_signing_keys()
        self.folder = folder
        _, self.verify = write_signing_keys(self.keys, "hospital", folder)
        self.bundle = self.signed("signed", 0)

    def signed(self, name: str, number: int) -> Bundle:
        path = self.folder / f"{name}.edgeseg"
        sign_bundle(made_bundle(path, [sound_piece(number), sound_piece(number + 1)]), self.keys)
        return Bundle(path)

    def order(self) -> Assignment:
        order = whole(self.bundle)
        return msgspec.structs.replace(order, signed=signed_manifest(self.bundle))


@pytest.fixture
def signed(tmp_path: Path) -> _Signed:
    return _Signed(tmp_path)


def _outcome(
    workers: Workers, sockets: Sockets, signed: _Signed, order: Assignment
) -> Ready | Refused:
    link = sockets.link(workers.start("--signed-by", signed.verify).endpoint)
    greet(link)
    return Served(link, signed.bundle).assign(order)


def test_what_was_signed_is_run_and_nothing_else(
    workers: Workers, tmp_path: Path, signed: _Signed
) -> None:
    worker = workers.start("--signed-by", signed.verify)
    scan, mask = write_ct(tmp_path / "ct.nii.gz"), tmp_path / "mask.nii.gz"
    ran = segment(signed.bundle.path, scan, mask, worker)
    assert ran.code == 0, ran
    unsigned = made_bundle(tmp_path / "unsigned.edgeseg", [sound_piece()])
    ran = segment(unsigned.path, scan, mask, worker)
    assert ran.code == 1
    assert "takes signed bundles only, and this one is not signed" in ran.err.splitlines()[-1]
    sign_bundle(unsigned, make_signing_keys())
    ran = segment(unsigned.path, scan, mask, worker)
    assert ran.code == 1
    assert "is signed by another key" in ran.err.splitlines()[-1]


def test_an_order_that_the_signed_manifest_covers_is_done(
    workers: Workers, sockets: Sockets, signed: _Signed
) -> None:
    outcome = _outcome(workers, sockets, signed, signed.order())
    assert isinstance(outcome, Ready), outcome


def _other_piece(order: Assignment, other: Bundle) -> dict[str, Any]:
    """Put the pieces of another bundle, which was signed too, beside this one's manifest."""
    return {"pieces": other.manifest.pieces}


def _other_source(order: Assignment, _: Bundle) -> dict[str, Any]:
    changed = {"dtype": "int8", "scale": 9.0, "zero_point": 0}
    sources = tuple(msgspec.structs.replace(port, **changed) for port in order.sources)
    return {"sources": sources}


def _other_window(order: Assignment, _: Bundle) -> dict[str, Any]:
    window = msgspec.structs.replace(order.preprocessing, window=(0.0, 1.0))
    return {"preprocessing": window}


def _other_decoding(order: Assignment, _: Bundle) -> dict[str, Any]:
    return {"decoding": msgspec.structs.replace(order.decoding, channels=(0,))}


def _changed_manifest(order: Assignment, _: Bundle) -> dict[str, Any]:
    assert order.signed is not None
    text = zstandard.decompress(order.signed.packed).replace(b"kidney", b"tumour")
    return {"signed": SignedManifest(zstandard.compress(text), order.signed.signature)}


def _endless_manifest(order: Assignment, _: Bundle) -> dict[str, Any]:
    assert order.signed is not None
    bomb = zstandard.compress(bytes(64 * MAX_MANIFEST_BYTES))
    return {"signed": SignedManifest(bomb, order.signed.signature)}


def _garbled_manifest(order: Assignment, _: Bundle) -> dict[str, Any]:
    return {"signed": SignedManifest(b"no frame", b"short")}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_piece, "piece piece_00 of this assignment is not what"),
        (_other_source, "tensor image of this assignment"),
        (_other_window, "preprocessing or decoding of this"),
        (_other_decoding, "preprocessing or decoding of this"),
        (_changed_manifest, "was changed after it was signed"),
        (_endless_manifest, "larger than a board takes"),
        (_garbled_manifest, "can't be read"),
    ],
)
def test_an_order_that_differs_from_what_was_signed_is_refused(
    workers: Workers, sockets: Sockets, signed: _Signed, change: Any, words: str
) -> None:
    order = signed.order()
    changed = msgspec.structs.replace(order, **change(order, signed.signed("other", 5)))
    outcome = _outcome(workers, sockets, signed, changed)
    assert isinstance(outcome, Refused)
    assert words in outcome.reason


def test_a_key_that_is_none_is_said_before_the_worker_listens(tmp_path: Path) -> None:
    missing = tmp_path / "no.verify"
    ran = edgeseg("worker", "--listen", "tcp://127.0.0.1:*", "--signed-by", missing)
    one_line(ran, 2, "can't read the public key", "no.verify")
