"""What a run remembers: losses until they are recovered from, and work over all epochs."""

from edgeseg_runtime.coordination.journal import Journal
from edgeseg_runtime.messaging.wire import PieceTime, Pong


def _pong(peak: int, sent: int, runs: int) -> Pong:
    return Pong(peak, sent, 2 * sent, {"piece": PieceTime(runs, 0.5 * runs, float(runs))})


def test_work_of_all_epochs_is_added_up() -> None:
    journal = Journal()
    journal.epoch_began({"a": _pong(5, 100, 1), "b": _pong(5, 10, 0)})
    journal.epoch_ended({"a": _pong(9, 300, 4), "b": _pong(6, 10, 0)})
    # Another epoch: pieces are loaded anew and count from zero.
    journal.epoch_began({"a": _pong(7, 1000, 0)})
    journal.epoch_ended({"a": _pong(7, 1001, 2), "b": _pong(7, 99, 9)})
    assert journal.work == {"a": _pong(9, 201, 5), "b": _pong(6, 0, 0)}
    assert journal.epochs == 2


def test_an_epoch_is_closed_once() -> None:
    journal = Journal()
    journal.epoch_began({"a": _pong(5, 0, 0)})
    for _ in range(2):
        journal.epoch_ended({"a": _pong(5, 1, 1)})
    assert journal.work == {"a": _pong(5, 1, 1)}


def test_a_loss_is_recovered_from_with_the_next_slice() -> None:
    journal = Journal()
    journal.slice_returned()
    journal.board_lost("a", "no word")
    journal.board_lost("b", "no word")
    assert [loss.recovery_seconds for loss in journal.losses] == [None, None]
    journal.slice_returned()
    first = [loss.recovery_seconds for loss in journal.losses]
    assert all(seconds is not None and seconds >= 0 for seconds in first)
    journal.board_lost("a", "again")
    journal.slice_returned()
    assert [loss.recovery_seconds for loss in journal.losses][:2] == first
    assert journal.losses[2].recovery_seconds is not None
