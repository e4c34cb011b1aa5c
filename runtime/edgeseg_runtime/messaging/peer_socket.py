"""A socket that is connected to one board."""

import zmq

from edgeseg.errors import BoardError
from edgeseg_runtime.messaging.addresses import address_problem, needs_ipv6
from edgeseg_runtime.messaging.curve_sockets import HANDSHAKE_FAILURES, present_keys
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.transport import PARTS_AT_ONCE, MessageSocket, Payload
from edgeseg_runtime.messaging.wire import AnyMessage, declared_bytes
from edgeseg_runtime.messaging.wire.parts import Assembler, LimitOf

_WATCHED_OPTIONS = {
    zmq.CONNECT_TIMEOUT: 2000,
    zmq.TCP_MAXRT: 5000,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 5,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 3,
}
"""Left to itself TCP tries for minutes to reach a machine that has lost its power."""


class PeerSocket(MessageSocket):
    """A connection to one board.

    Parameters
    ----------
    keys, server_key
        Own key pair and the board's public key: with both, each side proves that it has its
        secret, and all is encrypted.
    watched
        Notice when the connection is lost, and give it up if nothing gets through.

    Raises
    ------
    BoardError
        If there can be no board at that endpoint.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        keys: KeyPair | None = None,
        server_key: str | None = None,
        *,
        watched: bool = False,
    ) -> None:
        sealed = keys is not None and server_key is not None
        super().__init__(context, zmq.DEALER, sealed=sealed)
        self._assembler = Assembler(sealed=sealed)
        self._parts_sent = 0
        # The slices in flight bound what is queued; a limit here would drop some of it.
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.monitor = self._watch() if watched else None
        self._broken = False
        self._refusal: str | None = None
        try:
            if keys is not None and server_key is not None:
                present_keys(self.socket, keys, server_key)
            self.socket.setsockopt(zmq.IPV6, needs_ipv6(endpoint))
            self.socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            problem = address_problem(endpoint) or (
                f"{zmq.strerror(error.errno or 0).lower()}; give the address and port of a worker"
            )
            raise BoardError(f"can't connect to {endpoint}: {problem}") from None
        self.endpoint = endpoint

    @property
    def broken(self) -> bool:
        """Whether a watched socket has lost its connection since the last message came."""
        self._read_monitor()
        return self._broken

    @property
    def refusal(self) -> str | None:
        """Why the handshake of a watched socket failed, as far as ZeroMQ tells."""
        self._read_monitor()
        return self._refusal

    def send(self, message: AnyMessage, payload: Payload | None = None) -> None:
        """Send a message; a payload must not be changed afterwards."""
        self._parts_sent = self._send([], message, payload, self._parts_sent)

    def abandon(self) -> None:
        """Close the socket and drop what is queued."""
        self.socket.setsockopt(zmq.LINGER, 0)
        self.close()

    def close(self) -> None:
        """Close the socket; ZeroMQ has a moment to send what is queued."""
        if self.monitor is not None and not self.monitor.closed:
            # In this order: libzmq's thread would wait for a reader that is gone.
            self.socket.disable_monitor()
            self.monitor.close()
        super().close()

    def receive(self, limit_of: LimitOf = declared_bytes) -> tuple[AnyMessage, memoryview] | None:
        """Return the next message that is complete, or None where there is none.

        Parameters
        ----------
        limit_of
            Says how many bytes of payload a message may bring; one with more is returned with
            none.

        Raises
        ------
        DamagedError
            If a message was changed or lost on its way.
        WireError
            If what came in breaks the protocol.
        """
        for _ in range(PARTS_AT_ONCE):
            frames = self._receive_frames()
            if frames is None:
                break
            self._broken = False
            complete = self._assembler.accept([frame.buffer for frame in frames], limit_of)
            if complete is not None:
                return complete
        return None

    def _watch(self) -> zmq.Socket[bytes]:
        for option, value in _WATCHED_OPTIONS.items():
            self.socket.setsockopt(option, value)
        return self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | sum(HANDSHAKE_FAILURES))

    def _read_monitor(self) -> None:
        if self.monitor is None:
            return
        # Its asyncio takes 3 MiB, which workers, who watch no connection, need not hold.
        from zmq.utils.monitor import parse_monitor_message

        while self.monitor.poll(0):
            event = parse_monitor_message(self.monitor.recv_multipart())["event"]
            self._broken |= event == zmq.EVENT_DISCONNECTED
            self._refusal = HANDSHAKE_FAILURES.get(int(event), self._refusal)
