"""Manifests of random dataflows, for tests that need no TFLite file."""

from collections.abc import Sequence

from hypothesis import strategies as st

from edgeseg.bundle.manifest import FORMAT, Decoding, Label, Manifest, Piece, Port, Preprocessing

IMAGE = Port("image", (1, 8, 8, 1))
KIB = 2**10


def make_piece(
    number: int,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    flops: int = 1000,
    peak: int = 100 * KIB,
) -> Piece:
    """Make an entry of a piece that has no file."""
    return Piece(
        name=f"piece_{number:02d}",
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        layers=(f"layer_{number}",),
        sha256=f"{number:064x}",
        bytes=10,
        compressed_bytes=10,
        parameters=1,
        flops=flops,
        sparsity=0.0,
        peak_memory_bytes=peak,
        resident_memory_bytes=peak // 2,
    )


def make_manifest(pieces: Sequence[Piece]) -> Manifest:
    """Make a manifest of one sigmoid label around pieces whose last port is (1, 8, 8, 1)."""
    return Manifest(
        format=FORMAT,
        model_name="random",
        model_sha256="0" * 64,
        preprocessing=Preprocessing((-100.0, 300.0), (8, 8)),
        labels=(Label(1, "kidney", "#ff8800"),),
        decoding=Decoding("sigmoid", (1,)),
        pieces=tuple(pieces),
        settings={"strategy": "adaptive"},
        versions={"edgeseg": "0"},
    )


def chain_manifest(
    flops: Sequence[int], peaks: Sequence[int] | None = None, channels: int = 4
) -> Manifest:
    """Make a chain of pieces without skips, with these FLOPs and peaks."""
    count = len(flops)
    ports = [
        IMAGE,
        *(Port(f"t{number}", (1, 8, 8, channels)) for number in range(count - 1)),
        Port(f"t{count - 1}", (1, 8, 8, 1)),
    ]
    return make_manifest(
        [
            make_piece(
                number,
                [ports[number]],
                [ports[number + 1]],
                flops[number],
                peaks[number] if peaks else 100 * KIB,
            )
            for number in range(count)
        ]
    )


@st.composite
def manifests(draw: st.DrawFn, most: int = 6) -> Manifest:
    """Draw a manifest: every piece reads some of what was made before it, so skips abound."""
    count = draw(st.integers(1, most))
    known = [IMAGE]
    unread: list[Port] = []
    pieces = []
    for number in range(count):
        last = number == count - 1
        chosen = (
            [IMAGE]
            if number == 0
            else draw(st.lists(st.sampled_from(known), min_size=1, unique_by=lambda p: p.tensor))
        )
        # What nobody has read yet is read by the last piece, so that all of it matters.
        inputs = list(dict.fromkeys([*chosen, *(unread if last else [])]))
        extents = [1] if last else draw(st.lists(st.integers(1, 8), min_size=1, max_size=3))
        outputs = [Port(f"t{number}_{n}", (1, 8, 8, c)) for n, c in enumerate(extents)]
        unread = [port for port in (*unread, *outputs) if port not in inputs]
        known += outputs
        flops, peak = draw(st.integers(1, 10**6)), draw(st.integers(1, 1000)) * KIB
        pieces.append(make_piece(number, inputs, outputs, flops, peak))
    return make_manifest(pieces)
