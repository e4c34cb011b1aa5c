"""Who is served: one coordinator at a time, until it goes or falls silent."""

from edgeseg_runtime.board.admission import Admission
from edgeseg_runtime.messaging.wire import HELD_SECONDS, PROTOCOL, Hello


def _hello(session: str = "one", board: str = "") -> Hello:
    return Hello(session, PROTOCOL, board)


def _serving() -> Admission:
    reception = Admission()
    assert reception.objection(b"a", _hello(board="pi")) is None
    assert reception.admit(b"a", _hello(board="pi"), 100.0)
    return reception


def test_a_greeting_again_changes_nothing() -> None:
    reception = _serving()
    assert reception.objection(b"a", _hello(board="pi")) is None
    assert not reception.admit(b"a", _hello(board="pi"), 105.0)
    assert (reception.session, reception.coordinator, reception.since) == ("one", b"a", 100.0)


def test_another_coordinator_may_come_later() -> None:
    reception = _serving()
    objection = reception.objection(b"b", _hello("two"))
    assert objection is not None
    assert objection.busy
    assert "serves another coordinator" in objection.reason
    reception.dismiss()
    assert reception.objection(b"b", _hello("two")) is None


def test_a_session_without_a_name_is_one_too() -> None:
    reception = Admission()
    assert reception.admit(b"a", _hello(""), 100.0)
    assert reception.objection(b"b", _hello("two")) is not None
    assert reception.abandoned(101.0 + HELD_SECONDS)


def test_a_coordinator_may_come_back_over_a_new_connection() -> None:
    reception = _serving()
    assert reception.objection(b"b", _hello(board="pi")) is None
    assert reception.admit(b"b", _hello(board="pi"), 110.0)
    assert (reception.coordinator, reception.since) == (b"b", 100.0)


def test_one_board_under_two_names_is_refused() -> None:
    for board in ("", "pi-2"):
        objection = _serving().objection(b"b", _hello(board=board))
        assert objection is not None
        assert "give each board once" in objection.reason
        assert not objection.busy


def test_another_protocol_is_refused_whoever_is_served() -> None:
    for reception in (Admission(), _serving()):
        objection = reception.objection(b"a", Hello("one", PROTOCOL + 1))
        assert objection is not None
        assert "install the same edgeseg" in objection.reason


def test_who_is_silent_for_too_long_is_gone() -> None:
    reception = _serving()
    assert not reception.abandoned(100.0 + HELD_SECONDS)
    assert reception.abandoned(100.1 + HELD_SECONDS)
    reception.hear(105.0)
    assert not reception.abandoned(100.1 + HELD_SECONDS)
    reception.dismiss()
    assert not reception.abandoned(1e9)
