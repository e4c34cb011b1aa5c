"""Who is served: one coordinator at a time, until it goes or falls silent."""

from edgeseg_runtime.board.admission import Admission
from edgeseg_runtime.messaging.wire import HELD_SECONDS, PROTOCOL, Hello


def _hello(session: str = "one", board: str = "") -> Hello:
    return Hello(session, PROTOCOL, board)


def _serving() -> Admission:
    admission = Admission()
    assert admission.refusal(b"a", _hello(board="pi")) is None
    assert admission.admit(b"a", _hello(board="pi"), 100.0)
    return admission


def test_a_greeting_again_changes_nothing() -> None:
    admission = _serving()
    assert admission.refusal(b"a", _hello(board="pi")) is None
    assert not admission.admit(b"a", _hello(board="pi"), 105.0)
    assert (admission.session, admission.coordinator, admission.since) == ("one", b"a", 100.0)


def test_another_coordinator_may_come_later() -> None:
    admission = _serving()
    refusal = admission.refusal(b"b", _hello("two"))
    assert refusal is not None
    assert refusal.busy
    assert "serves another coordinator" in refusal.reason
    admission.release()
    assert admission.refusal(b"b", _hello("two")) is None


def test_a_session_without_a_name_is_one_too() -> None:
    admission = Admission()
    assert admission.admit(b"a", _hello(""), 100.0)
    assert admission.refusal(b"b", _hello("two")) is not None
    assert admission.is_abandoned(101.0 + HELD_SECONDS)


def test_a_coordinator_may_come_back_over_a_new_connection() -> None:
    admission = _serving()
    assert admission.refusal(b"b", _hello(board="pi")) is None
    assert admission.admit(b"b", _hello(board="pi"), 110.0)
    assert (admission.coordinator, admission.since) == (b"b", 100.0)


def test_one_board_under_two_names_is_refused() -> None:
    for board in ("", "pi-2"):
        refusal = _serving().refusal(b"b", _hello(board=board))
        assert refusal is not None
        assert "give each board once" in refusal.reason
        assert not refusal.busy


def test_another_protocol_is_refused_whoever_is_served() -> None:
    for admission in (Admission(), _serving()):
        refusal = admission.refusal(b"a", Hello("one", PROTOCOL + 1))
        assert refusal is not None
        assert "install the same edgeseg" in refusal.reason


def test_who_is_silent_for_too_long_is_gone() -> None:
    admission = _serving()
    assert not admission.is_abandoned(100.0 + HELD_SECONDS)
    assert admission.is_abandoned(100.1 + HELD_SECONDS)
    admission.note_heard(105.0)
    assert not admission.is_abandoned(100.1 + HELD_SECONDS)
    admission.release()
    assert not admission.is_abandoned(1e9)
