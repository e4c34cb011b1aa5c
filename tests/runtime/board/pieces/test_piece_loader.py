"""The way from an assignment to loaded pieces, event by event: no threads, sockets or files."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifests import chain_manifest

from edgeseg.bundle.manifest import Piece
from edgeseg.errors import WireError
from edgeseg_runtime.board.pieces.piece_loader import (
    Assigned,
    AwaitMemory,
    CacheSearched,
    Event,
    LoadFailed,
    LoadState,
    LoadSteps,
    MemoryReleased,
    PieceArrived,
    PieceLoader,
    PiecesProven,
    PieceStored,
    ProvePieces,
    ReportReady,
    ReportRefused,
    RequestPiece,
    SearchCache,
    StepsLoaded,
    StorePiece,
)

_PACKED = memoryview(b"packed")


def _pieces(count: int) -> tuple[Piece, ...]:
    """Return pieces of different hashes."""
    pieces = chain_manifest([1] * count).pieces
    return tuple(
        msgspec.structs.replace(piece, sha256=f"{number:064x}")
        for number, piece in enumerate(pieces)
    )


PIECES = _pieces(2)
FIRST, SECOND = (piece.sha256 for piece in PIECES)

_SEARCHING = (Assigned(), MemoryReleased())
_RECEIVING = (*_SEARCHING, CacheSearched((FIRST, SECOND)))
_STORING = (*_RECEIVING, PieceArrived(FIRST, _PACKED))
_RECEIVING_SECOND = (*_STORING, PieceStored())
_STORING_SECOND = (*_RECEIVING_SECOND, PieceArrived(SECOND, _PACKED))
_PROVING = (*_STORING_SECOND, PieceStored())
_LOADING = (*_PROVING, PiecesProven())
_READY = (*_LOADING, StepsLoaded())


def _after(events: tuple[Event, ...]) -> PieceLoader:
    loader = PieceLoader(PIECES)
    for event in events:
        loader.handle(event)
    return loader


@pytest.mark.parametrize(
    ("events", "instruction", "state"),
    [
        pytest.param((Assigned(),), AwaitMemory(), LoadState.WAITING, id="assigned"),
        pytest.param(_SEARCHING, SearchCache(PIECES), LoadState.SEARCHING, id="memory is free"),
        pytest.param(_RECEIVING, RequestPiece(FIRST), LoadState.RECEIVING, id="both missing"),
        pytest.param(
            _STORING, StorePiece(PIECES[0], _PACKED), LoadState.STORING, id="the first arrives"
        ),
        pytest.param(
            _RECEIVING_SECOND, RequestPiece(SECOND), LoadState.RECEIVING, id="the first is kept"
        ),
        pytest.param(
            _STORING_SECOND, StorePiece(PIECES[1], _PACKED), LoadState.STORING, id="second arrives"
        ),
        pytest.param(_PROVING, ProvePieces(PIECES), LoadState.PROVING, id="all are kept"),
        pytest.param(
            (*_SEARCHING, CacheSearched(())),
            ProvePieces(PIECES),
            LoadState.PROVING,
            id="none is missing",
        ),
        pytest.param(_LOADING, LoadSteps(), LoadState.LOADING, id="all have run"),
        pytest.param(
            (*_SEARCHING, CacheSearched((SECOND,))),
            RequestPiece(SECOND),
            LoadState.RECEIVING,
            id="only the second is missing",
        ),
        pytest.param(_READY, ReportReady(), LoadState.READY, id="loaded"),
    ],
)
def test_what_an_event_makes_necessary(
    events: tuple[Event, ...], instruction: object, state: LoadState
) -> None:
    loader = _after(events[:-1])
    assert loader.handle(events[-1]) == instruction
    assert loader.state is state


@pytest.mark.parametrize(
    "events",
    [_SEARCHING, _STORING, _PROVING, _LOADING],
    ids=["search", "store", "prove", "load"],
)
def test_a_failure_is_reported_once_and_ends_it(events: tuple[Event, ...]) -> None:
    loader = _after(events)
    assert loader.handle(LoadFailed("no room")) == ReportRefused("no room")
    assert loader.state is LoadState.REFUSED
    assert loader.handle(LoadFailed("no room")) is None
    with pytest.raises(WireError, match="was not asked for"):
        loader.handle(PieceArrived(FIRST, _PACKED))


@pytest.mark.parametrize(
    ("events", "sha256"),
    [
        pytest.param((), FIRST, id="before anything was asked for"),
        pytest.param(_RECEIVING, SECOND, id="the next one"),
        pytest.param(_RECEIVING, "f" * 64, id="an unknown one"),
        pytest.param(_STORING, FIRST, id="the same one again"),
        pytest.param(_STORING, SECOND, id="the next one before it was asked for"),
        pytest.param(_LOADING, FIRST, id="after all are kept"),
        pytest.param(_READY, FIRST, id="after all are loaded"),
    ],
)
def test_a_piece_that_was_not_asked_for_changes_nothing(
    events: tuple[Event, ...], sha256: str
) -> None:
    loader = _after(events)
    state = loader.state
    with pytest.raises(WireError, match=f"piece {sha256[:12]} was not asked for"):
        loader.handle(PieceArrived(sha256, _PACKED))
    assert loader.state is state


@pytest.mark.parametrize(
    ("events", "event"),
    [
        ((), MemoryReleased()),
        ((), StepsLoaded()),
        ((Assigned(),), Assigned()),
        (_RECEIVING, PieceStored()),
        (_STORING, StepsLoaded()),
        (_PROVING, StepsLoaded()),
        (_READY, StepsLoaded()),
    ],
)
def test_an_event_out_of_turn_is_a_mistake(events: tuple[Event, ...], event: Event) -> None:
    with pytest.raises(RuntimeError, match=f"{type(event).__name__} while"):
        _after(events).handle(event)


@given(st.integers(1, 6), st.data())
def test_every_missing_piece_is_asked_for_once_and_stored_before_any_is_loaded(
    count: int, data: st.DataObject
) -> None:
    """Any pieces missing, a failure anywhere, stray pieces at any time."""
    pieces = _pieces(count)
    hashes = [piece.sha256 for piece in pieces]
    missing = tuple(sha256 for sha256 in hashes if data.draw(st.booleans()))
    loader = PieceLoader(pieces)
    instructions: list[Any] = []
    event: Event | None = Assigned()
    while event is not None:
        instruction = loader.handle(event)
        instructions.append(instruction)
        stray = data.draw(st.sampled_from(hashes))
        if not isinstance(instruction, RequestPiece) or stray != instruction.sha256:
            with pytest.raises(WireError):
                loader.handle(PieceArrived(stray, _PACKED))
        event = _outcome(instruction, missing, fails=data.draw(st.integers(0, 9)) == 0)
    requests = [i.sha256 for i in instructions if isinstance(i, RequestPiece)]
    stored = [i.piece.sha256 for i in instructions if isinstance(i, StorePiece)]
    assert requests == list(missing[: len(requests)])
    assert stored in (requests, requests[:-1])
    if any(isinstance(instruction, LoadSteps) for instruction in instructions):
        assert stored == list(missing)
    reports = [i for i in instructions if isinstance(i, ReportReady | ReportRefused)]
    assert reports == instructions[-1:]
    assert loader.state in {LoadState.READY, LoadState.REFUSED}


def _outcome(instruction: object, missing: tuple[str, ...], *, fails: bool) -> Event | None:
    """Return what comes of an instruction; None after the last one."""
    if isinstance(instruction, ReportReady | ReportRefused):
        return None
    if isinstance(instruction, RequestPiece):
        return PieceArrived(instruction.sha256, _PACKED)
    if fails and not isinstance(instruction, AwaitMemory):
        return LoadFailed("a reason")
    successes: dict[type, Event] = {
        AwaitMemory: MemoryReleased(),
        SearchCache: CacheSearched(missing),
        StorePiece: PieceStored(),
        ProvePieces: PiecesProven(),
        LoadSteps: StepsLoaded(),
    }
    return successes[type(instruction)]
