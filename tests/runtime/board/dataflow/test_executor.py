"""Dataflow over slices: once a piece and slice, with all inputs, oldest slice first."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifests import IMAGE, chain_manifest, make_manifest, make_piece, manifests

from edgeseg.bundle.manifest import Manifest, Port
from edgeseg.errors import WireError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.board.dataflow.executor import Executor, Firing
from edgeseg_runtime.board.pieces.steps import Step
from edgeseg_runtime.messaging.wire import Job, Routes

_GEOMETRY = SliceGeometry(8, 8)


def _job(index: int, lane: int = 0) -> Job:
    return Job(1, index, lane, _GEOMETRY)


def _array(port: Port) -> Any:
    return np.zeros(port.shape, np.float32)


def _executor(manifest: Manifest, own_names: set[str], window: int = 8) -> Executor:
    steps = {piece.name: Step((piece,)) for piece in manifest.pieces if piece.name in own_names}
    return Executor(steps, {0: Routes(0, tuple(own_names), {}, window)})


@given(manifests(), st.integers(1, 4), st.data())
def test_every_piece_fires_once_a_slice(
    manifest: Manifest, slices: int, data: st.DataObject
) -> None:
    """Tensors from outside in any order, pieces busy for any time, a part of the pieces here."""
    names = [piece.name for piece in manifest.pieces]
    own_names = set(data.draw(st.lists(st.sampled_from(names), min_size=1)))
    executor = _executor(manifest, own_names)
    made_here = {p.tensor for q in manifest.pieces if q.name in own_names for p in q.outputs}
    read = {p.tensor: p for q in manifest.pieces if q.name in own_names for p in q.inputs}
    arriving = data.draw(
        st.permutations([(k, t) for k in range(slices) for t in read if t not in made_here])
    )
    running: list[Firing] = []
    fired: list[tuple[int, str]] = []
    offered: dict[int, set[str]] = {index: set() for index in range(slices)}
    waiting = list(arriving)
    while waiting or running:
        arrive = bool(waiting) and (not running or data.draw(st.booleans()))
        if arrive:
            index, tensor = waiting.pop()
            executor.offer(_job(index), tensor, _array(read[tensor]))
            offered[index].add(tensor)
        else:
            done = running.pop(data.draw(st.integers(0, len(running) - 1)))
            for port in done.step.pieces[0].outputs:
                if executor.reads(0, port.tensor):
                    executor.offer(done.job, port.tensor, _array(port))
                    offered[done.job.slice].add(port.tensor)
        idle = frozenset(own_names - {firing.step.name for firing in running})
        while (firing := executor.next(idle)) is not None:
            assert firing.step.name in idle
            assert set(firing.inputs) == firing.step.reads
            assert offered[firing.job.slice].issuperset(firing.inputs)
            _assert_oldest(firing, manifest, idle, offered, fired)
            fired.append((firing.job.slice, firing.step.name))
            running.append(firing)
            idle -= {firing.step.name}
    assert sorted(fired) == sorted((index, name) for index in range(slices) for name in own_names)
    assert executor.held_bytes == 0
    assert executor.next(frozenset(own_names)) is None


def _assert_oldest(
    firing: Firing,
    manifest: Manifest,
    idle: frozenset[str],
    offered: dict[int, set[str]],
    fired: list[tuple[int, str]],
) -> None:
    """Nothing that could have fired stands before what fires."""
    ready = [
        (index, place)
        for index, tensors in offered.items()
        for place, piece in enumerate(manifest.pieces)
        if piece.name in idle
        and (index, piece.name) not in fired
        and tensors.issuperset(port.tensor for port in piece.inputs)
    ]
    assert (firing.job.slice, manifest.pieces.index(firing.step.pieces[0])) == min(ready)


def test_a_tensor_is_held_until_its_last_reader_has_fired() -> None:
    skip, deep, end = (
        Port("skip", (1, 8, 8, 4)),
        Port("deep", (1, 8, 8, 2)),
        Port("end", (1, 8, 8, 1)),
    )
    manifest = make_manifest(
        [
            make_piece(0, [IMAGE], [skip]),
            make_piece(1, [skip], [deep]),
            make_piece(2, [skip, deep], [end]),
        ]
    )
    executor = _executor(manifest, {"piece_01", "piece_02"})
    both = frozenset({"piece_01", "piece_02"})
    executor.offer(_job(0), "skip", _array(skip))
    assert executor.held_bytes == skip.nbytes
    first = executor.next(both)
    assert first is not None
    assert first.step.name == "piece_01"
    assert executor.held_bytes == skip.nbytes
    assert executor.next(both) is None
    executor.offer(_job(0), "deep", _array(deep))
    assert executor.held_bytes == skip.nbytes + deep.nbytes
    assert executor.next(both) is not None
    assert executor.held_bytes == 0


def test_an_older_slice_overtakes() -> None:
    executor = _executor(chain_manifest([1]), {"piece_00"})
    for index in (5, 3, 4):
        executor.offer(_job(index), "image", _array(IMAGE))
    order = [executor.next(frozenset({"piece_00"})) for _ in range(3)]
    assert [firing.job.slice for firing in order if firing] == [3, 4, 5]


def test_what_another_board_waits_for_goes_first() -> None:
    """The first and the last piece are here, the middle one is elsewhere."""
    manifest = chain_manifest([1, 1, 1])
    ends = {"piece_00", "piece_02"}
    steps = {piece.name: Step((piece,)) for piece in manifest.pieces if piece.name in ends}
    ahead = {"piece_00": 2, "piece_02": 0}
    routes = Routes(0, tuple(steps), {}, 8, ahead)
    executor = Executor(steps, {0: routes})
    executor.offer(_job(0), "image", _array(IMAGE))
    assert executor.next(frozenset(ends)) is not None
    executor.offer(_job(0), "t1", np.zeros((1, 8, 8, 4), np.float32))
    for index in (2, 1):
        executor.offer(_job(index), "image", _array(IMAGE))
    order = [executor.next(frozenset(ends)) for _ in range(3)]
    assert [(f.job.slice, f.step.name) for f in order if f] == [
        (1, "piece_00"),
        (2, "piece_00"),
        (0, "piece_02"),
    ]


def test_what_nobody_reads_is_refused() -> None:
    executor = _executor(chain_manifest([1, 1]), {"piece_01"})
    with pytest.raises(WireError, match="no piece here reads image"):
        executor.offer(_job(0), "image", _array(IMAGE))
    with pytest.raises(WireError, match="in lane 7"):
        executor.offer(_job(0, lane=7), "t0", np.zeros((1, 8, 8, 4), np.float32))
    assert executor.held_bytes == 0
    assert executor.next(frozenset({"piece_01"})) is None


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=60), st.integers(1, 3))
def test_whatever_is_offered_only_so_many_slices_are_here_and_none_twice(
    offers: list[tuple[int, bool]], window: int
) -> None:
    """Slices in any order, again and again: what a replay or a stranger may send."""
    executor = _executor(chain_manifest([1]), {"piece_00"}, window)
    fired: list[int] = []
    for index, fire in offers:
        fresh = index not in fired and executor.slices_held < window
        held_before = executor.held_bytes
        try:
            executor.offer(_job(index), "image", _array(IMAGE))
            assert fresh
        except WireError:
            assert executor.held_bytes == held_before
        assert executor.slices_held <= window
        firing = executor.next(frozenset({"piece_00"})) if fire else None
        if firing is not None:
            fired.append(firing.job.slice)
    assert len(set(fired)) == len(fired)


def test_a_slice_is_not_another_in_the_middle() -> None:
    executor = _executor(chain_manifest([1, 1]), {"piece_00", "piece_01"})
    executor.offer(_job(0), "image", _array(IMAGE))
    with pytest.raises(WireError, match="is another"):
        executor.offer(Job(1, 0, 0, SliceGeometry(9, 9)), "t0", np.zeros((1, 8, 8, 4)))
    with pytest.raises(WireError, match="slice -1 is done"):
        executor.offer(_job(-1), "image", _array(IMAGE))


def test_what_is_done_is_remembered_in_little_room() -> None:
    executor = _executor(chain_manifest([1]), {"piece_00"})
    for index in range(20_000):
        executor.offer(_job(index), "image", _array(IMAGE))
        assert executor.next(frozenset({"piece_00"})) is not None
    assert executor.slices_passed == 20_000
    assert len(executor._done) <= 4096
    assert all(executor.is_done(index) for index in (0, 10_000, 19_999))
    assert not executor.is_done(20_000)


def test_steps_count_the_slices_that_they_may_fire_on() -> None:
    manifest = chain_manifest([1, 1, 1])
    first, *rest = manifest.pieces
    steps = {step.name: step for step in (Step((first,)), Step(tuple(rest)))}
    executor = Executor(steps, {0: Routes(0, tuple(p.name for p in manifest.pieces), {}, 2)})
    assert executor.ready == {}
    for index in range(2):
        assert not executor.full
        executor.offer(_job(index), "image", _array(IMAGE))
    assert executor.full
    assert executor.ready == {"piece_00": 2}
    assert executor.next(frozenset({"piece_00"})) is not None
    executor.offer(_job(0), "t0", np.zeros((1, 8, 8, 4), np.float32))
    assert executor.ready == {"piece_00": 1, "piece_01": 1}
    firing = executor.next(frozenset({"piece_01"}))
    assert firing is not None
    assert (firing.job.slice, firing.step.reads) == (0, {"t0"})
    assert executor.slices_held == 1
