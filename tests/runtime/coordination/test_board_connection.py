"""The way to one board: when it counts as lost, and what a new connection leaves behind."""

import time
from collections.abc import Iterator

import pytest
import zmq
from talking import Sockets

from edgeseg.boards.boards_file import BoardEntry
from edgeseg_runtime.coordination.board_connection import SLOWEST_LINK, BoardConnection
from edgeseg_runtime.messaging.listener import Listener
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import AnyMessage, Hello, PieceData, Ping, Pong, Welcome

_SILENCE = 0.2


@pytest.fixture
def listener(sockets: Sockets) -> Listener:
    return sockets.listener()


@pytest.fixture
def connection(sockets: Sockets, listener: Listener) -> Iterator[BoardConnection]:
    entry = BoardEntry("pi", listener.endpoint)
    with zmq.Context() as context:

        def connect() -> PeerSocket:
            return PeerSocket(context, listener.endpoint, watched=True)

        connection = BoardConnection(entry, connect, zmq.Poller())
        yield connection
        connection.close()


def _heard(listener: Listener) -> list[AnyMessage]:
    """Return what comes in until nothing more does."""
    heard = []
    while listener.socket.poll(300):
        received = listener.receive()
        if received is not None:
            heard.append(received.message)
    return heard


def test_silence_counts_from_the_first_ping_without_an_answer(connection: BoardConnection) -> None:
    time.sleep(_SILENCE)
    assert connection.loss_reason(_SILENCE) is None, "nothing was asked"
    connection.ping("s")
    assert connection.loss_reason(_SILENCE) is None
    time.sleep(_SILENCE)
    connection.ping("s")
    assert connection.loss_reason(_SILENCE) == "no word for 0.2 s"


def test_a_word_ends_the_silence(connection: BoardConnection, listener: Listener) -> None:
    connection.ping("s")
    assert listener.socket.poll(5000)
    received = listener.receive()
    assert received is not None
    time.sleep(_SILENCE)
    listener.send(received.sender, Pong(7, 0, 0, {}))
    assert connection.link.socket.poll(5000)
    assert [message for message, _ in connection.receive()] == [Pong(7, 0, 0, {})]
    assert connection.loss_reason(_SILENCE) is None
    assert connection.pong == Pong(7, 0, 0, {})


def test_a_ping_behind_a_large_piece_is_given_time(connection: BoardConnection) -> None:
    connection.send(PieceData(1, "0" * 64), bytes(round(0.5 * SLOWEST_LINK)))
    connection.ping("s")
    time.sleep(2 * _SILENCE)
    assert connection.loss_reason(_SILENCE) is None
    time.sleep(0.5)
    assert connection.loss_reason(_SILENCE) is not None


def test_it_says_hello_once_over_each_connection(
    connection: BoardConnection, listener: Listener
) -> None:
    for _ in range(3):
        connection.greet("s")
    (hello,) = _heard(listener)
    assert isinstance(hello, Hello)
    assert (hello.session, hello.board) == ("s", "pi")
    connection.greet("s", again=True)
    connection.reconnect()
    connection.greet("s")
    assert len(_heard(listener)) in (1, 2), "the old connection may have been too quick"


def test_a_new_connection_knows_nothing_of_the_old(
    connection: BoardConnection, listener: Listener
) -> None:
    connection.ping("s")
    time.sleep(_SILENCE)
    connection.reconnect()
    assert connection.loss_reason(_SILENCE) is None
    connection.ping("s")
    assert _heard(listener)[-1] == Ping("s")


def test_it_is_a_board_once_its_worker_has_said_so(
    connection: BoardConnection, listener: Listener
) -> None:
    assert connection.board is None
    connection.greet("s")
    assert listener.socket.poll(5000)
    received = listener.receive()
    assert received is not None
    listener.send(received.sender, Welcome(1000, 10, 4, {}))
    assert connection.link.socket.poll(5000)
    list(connection.receive())
    assert connection.board is not None
    assert (connection.board.name, connection.board.cores) == ("pi", 4)
    assert connection.received_bytes > 0
    connection.reconnect()
    assert connection.received_bytes > 0
