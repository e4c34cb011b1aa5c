"""Steps compute what the uncut model does, in any number of threads, also through the disk."""

import threading
import weakref
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from uncut import uncut_probabilities

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest, Port
from edgeseg.codecs.names import CodecName
from edgeseg.errors import EdgesegError, WireError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.board.dataflow.decoder import Decoder
from edgeseg_runtime.board.dataflow.executor import Executor, Firing, Tensors
from edgeseg_runtime.board.dataflow.step_runner import StepRunner
from edgeseg_runtime.board.memory.held import Encoded, Spooled
from edgeseg_runtime.board.memory.spool import Spool
from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterSet
from edgeseg_runtime.board.pieces.piece_cache import store_piece
from edgeseg_runtime.board.pieces.step_loader import load_steps
from edgeseg_runtime.board.pieces.steps import Step, reader_counts
from edgeseg_runtime.messaging.wire import Job, Routes

_JOB = Job(1, 0, 0, SliceGeometry(512, 512))


@pytest.fixture
def opened(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle whose pieces are in a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bundle = Bundle(tiny_bundle)
    for piece in bundle.manifest.pieces:
        store_piece(piece, bundle.packed_piece(piece))
    return bundle


@pytest.fixture
def grey() -> NDArray[np.uint8]:
    """An 8-bit image."""
    image: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    return image


@pytest.fixture
def expected(uncut_bundle: Path, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The probabilities of the uncut model."""
    (probabilities,) = uncut_probabilities(uncut_bundle, [grey])
    return probabilities


def _step_runner(
    manifest: Manifest,
    steps: list[Step],
    spool: Spool | None,
    codecs: dict[str, CodecName] | None = None,
) -> StepRunner:
    image = Port(manifest.input.tensor, manifest.input.shape)
    outputs = [port for piece in manifest.pieces for port in piece.outputs]
    sources = {port.tensor: port for port in (image, *outputs)}
    decoder = Decoder(manifest.output, manifest.preprocessing, manifest.decoding)
    return StepRunner(
        sources, image.tensor, decoder, spool, reader_counts(steps), {0: codecs or {}}
    )


def test_two_threads_compute_what_one_does(
    opened: Bundle, grey: NDArray[np.uint8], expected: NDArray[np.uint8]
) -> None:
    manifest = opened.manifest
    step = Step(manifest.pieces)
    step_runner = _step_runner(manifest, [step], None)
    results: list[Tensors] = []

    def work(interpreters: InterpreterSet) -> None:
        for _ in range(10):
            firing = Firing(_JOB, step, {manifest.input.tensor: grey})
            result = step_runner.run(interpreters, firing)
            results.append(result.outputs)
            assert list(result.times) == [piece.name for piece in manifest.pieces]
            assert all(0 < t.seconds < t.busy_seconds for t in result.times.values())

    interpreter_sets = load_steps([step], threads=1, copies=2)[step.name]
    threads = [
        threading.Thread(target=work, args=(interpreters,)) for interpreters in interpreter_sets
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    for outputs in results:
        np.testing.assert_array_equal(outputs[manifest.output.tensor], expected)


def test_what_nobody_reads_again_is_gone_before_inference_takes_memory(
    opened: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = opened.manifest
    step = Step(manifest.pieces[1:])
    first = step.pieces[0]
    step_runner = _step_runner(manifest, [step], None)
    interpreters = load_steps([step], threads=1, copies=1)[step.name][0]
    ports = {port.tensor: port for piece in step.pieces for port in piece.inputs}
    arrays = {name: np.ones(ports[name].shape, ports[name].dtype) for name in step.reads}
    later = {port.tensor for piece in step.pieces[1:] for port in piece.inputs}
    weak_arrays = {name: weakref.ref(array) for name, array in arrays.items()}
    firing = Firing(_JOB, step, dict(arrays))
    arrays.clear()
    alive: list[set[str]] = []
    engine = cast(Any, interpreters[0])._engine
    run = engine.invoke

    def invoke() -> None:
        alive.append({name for name, array in weak_arrays.items() if array() is not None})
        run()

    monkeypatch.setattr(engine, "invoke", invoke)
    step_runner.run(interpreters, firing)
    assert {port.tensor for port in first.inputs} - later
    assert alive == [weak_arrays.keys() & later]
    assert all(array() is None for array in weak_arrays.values())


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_what_passes_between_shifts_goes_through_the_disk(
    opened: Bundle, grey: NDArray[np.uint8], expected: NDArray[np.uint8], tmp_path: Path, cut: int
) -> None:
    """Each tensor is written once, whoever reads it, and gone when the last has done so."""
    manifest = opened.manifest
    steps = [Step(manifest.pieces[:cut]), Step(manifest.pieces[cut:])]
    names = tuple(piece.name for piece in manifest.pieces)
    executor = Executor({s.name: s for s in steps}, {0: Routes(0, names, {}, 1)})
    spool = Spool(tmp_path, 2**20)
    step_runner = _step_runner(manifest, steps, spool)
    executor.offer(_JOB, manifest.input.tensor, grey)
    for step in steps:
        interpreters = load_steps([step], threads=1, copies=1, warm=False)[step.name][0]
        firing = executor.next(frozenset({step.name}))
        assert firing is not None
        outputs = step_runner.run(interpreters, firing).outputs
        for tensor, held in outputs.items():
            if executor.reads(0, tensor):
                assert isinstance(held, Spooled)
                executor.offer(_JOB, tensor, held)
        assert executor.held_bytes == 0
    np.testing.assert_array_equal(outputs[manifest.output.tensor], expected)
    assert spool.held_bytes == 0
    assert list(spool.folder.iterdir()) == []
    spool.close()


def _second_piece(opened: Bundle, value: float, codec: CodecName) -> tuple[str, Any]:
    """Run the second piece on tensors of one value; return its name, and what it makes."""
    piece = opened.manifest.pieces[1]
    step = Step((piece,))
    codecs = dict.fromkeys((port.tensor for port in piece.outputs), codec)
    step_runner = _step_runner(opened.manifest, [step], None, codecs)
    interpreters = load_steps([step], threads=1, copies=1)[step.name][0]
    inputs: Tensors = {p.tensor: np.full(p.shape, value, np.float32) for p in piece.inputs}
    return piece.name, lambda: step_runner.run(interpreters, Firing(_JOB, step, inputs)).outputs


def test_what_leaves_encoded_is_what_leaves_as_it_is(opened: Bundle) -> None:
    _, plain = _second_piece(opened, 0.5, "none")
    _, encoded = _second_piece(opened, 0.5, "lossless")
    arrays, payloads = plain(), encoded()
    assert any(isinstance(held, Encoded) for held in payloads.values())
    for tensor, array in arrays.items():
        held = payloads[tensor]
        back = held.array() if isinstance(held, Encoded) else held
        np.testing.assert_array_equal(back, array)


def test_a_value_that_is_no_number_is_kept_or_refused_with_the_piece(opened: Bundle) -> None:
    _, lossless = _second_piece(opened, np.nan, "lossless")
    assert all(np.isnan(held.array()).all() for held in lossless().values())
    name, lossy = _second_piece(opened, np.nan, "int8")
    with pytest.raises(EdgesegError, match=f"{name} makes .*: it has values that are infinite"):
        lossy()


def test_a_payload_that_is_none_fails_the_step_with_its_tensor(opened: Bundle) -> None:
    step = Step((opened.manifest.pieces[1],))
    step_runner = _step_runner(opened.manifest, [step], None)
    interpreters = load_steps([step], threads=1, copies=1)[step.name][0]
    inputs: Tensors = {
        p.tensor: Encoded("lossless", memoryview(bytes(9)), p.shape, p.dtype)
        for p in step.pieces[0].inputs
    }
    tensor = step.pieces[0].inputs[0].tensor
    with pytest.raises(WireError, match=f"{tensor}: "):
        step_runner.run(interpreters, Firing(_JOB, step, inputs))
